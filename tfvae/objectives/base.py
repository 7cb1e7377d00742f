"""The base of all objectives."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from tfvae.divergences import kl_divergence
from tfvae.errors import unknown_name
from tfvae.schedules import Schedule
from tfvae.supports import support_of
from tfvae.types import ObjectiveOutput, VAEOutput

__all__ = ["Objective"]

KL_METHODS = ("auto", "analytic", "monte_carlo")


class Objective(keras.layers.Layer):
    """Base of the objectives: from data and the model's output to a loss per example.

    A concrete objective defines `call`. It reads nothing but `x` and the output, so it works with
    every latent structure. It may own weights.

    Args:
        samples: K, the number of posterior samples per example; None for one sample without an
            axis of its own.
        kl: How the rate is computed: `"auto"` (analytic where tfp registers the pair, Monte Carlo
            otherwise), `"analytic"` or `"monte_carlo"`.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, *, samples: int | None = None, kl: str = "auto", **kwargs):
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        if kl not in KL_METHODS:
            raise unknown_name("kl", kl, KL_METHODS)
        self.samples = samples
        self.kl = kl

    def __call__(self, x: tf.Tensor, output: VAEOutput, *, step=0) -> ObjectiveOutput:
        """Computes the loss; see `call`. A distribution cannot pass through Keras's own."""
        return self.call(x, output, step=step)

    def call(self, x: tf.Tensor, output: VAEOutput, *, step=0) -> ObjectiveOutput:
        """Computes the loss of a batch.

        Args:
            x: Data, `[batch, *event]`.
            output: What the model returned for it, with K samples if `samples` is K.
            step: Training steps taken so far, for schedules.

        Returns:
            Loss and named terms per example, in nats.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define call(x, output, step=0)")

    def distortion_and_rates(
        self, x: tf.Tensor, output: VAEOutput
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The two parts of the negative ELBO, −E_q log p(x|z) and KL(q(z|x) ‖ p(z)).

        Args:
            x: Data, `[batch, *event]`.
            output: What the model returned for it.

        Returns:
            The distortion, `[batch]`, and the rate of each latent group, `[batch]` each; nats.
        """
        distortion = -output.likelihood.log_prob(x)
        if distortion.shape.rank == 2:
            distortion = tf.reduce_mean(distortion, axis=0)
        return distortion, [kl_divergence(latent, self.kl) for latent in output.latents]

    @staticmethod
    def elbo_terms(
        x: tf.Tensor, output: VAEOutput, distortion: tf.Tensor, rate: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The terms that every objective reports.

        Args:
            x: Data, `[batch, *event]`.
            output: What the model returned for it.
            distortion: −E_q log p(x|z), `[batch]`.
            rate: KL of all latent groups, `[batch]`.

        Returns:
            `elbo`, `distortion`, `rate` in nats, and `bits_per_dim` where the data are discrete.
        """
        terms = {"elbo": -distortion - rate, "distortion": distortion, "rate": rate}
        if support_of(output.likelihood).integer:
            dimensions = math.prod(x.shape[1:])
            terms["bits_per_dim"] = (distortion + rate) / (dimensions * math.log(2.0))
        return terms

    def scheduled(self, step) -> dict[str, tf.Tensor]:
        """The numbers that schedules give at a step, by name: they are logged.

        Args:
            step: Training steps taken so far.

        Returns:
            Scalars by the name of the attribute that holds the schedule.
        """
        schedules = {k: v for k, v in vars(self).items() if isinstance(v, Schedule)}
        return {name: schedule(step) for name, schedule in sorted(schedules.items())}

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "samples": self.samples, "kl": self.kl}

    @classmethod
    def from_config(cls, config: dict) -> Objective:
        """Makes the objective of its configuration."""
        config = {
            k: keras.saving.deserialize_keras_object(v)
            if isinstance(v, dict) and "class_name" in v
            else v
            for k, v in config.items()
        }
        return cls(**config)
