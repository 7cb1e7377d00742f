"""The base of all objectives."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from tfvae.distributions.supports import support_of
from tfvae.distributions.types import ObjectiveOutput, VAEOutput
from tfvae.errors import unknown_name
from tfvae.schedules import Schedule

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

    Attributes:
        examples: Size of the training set; `fit` sets it where it is known.
    """

    def __init__(self, *, samples: int | None = None, kl: str = "auto", **kwargs):
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        if kl not in KL_METHODS:
            raise unknown_name("kl", kl, KL_METHODS)
        self.samples = samples
        self.kl = kl
        self.examples = None

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

    @property
    def per_example(self) -> bool:
        """Whether the loss of an example depends on no other one of the batch: here, unknown."""
        return False

    def gate(self, z: tf.Tensor) -> tuple[tf.Tensor, list | None]:
        """What every draw of z passes before anything else sees it: here, nothing.

        An objective whose gradient differs for encoder and decoder overrides it; the value stays.

        Args:
            z: A draw of the posterior.

        Returns:
            The same values, and what becomes `gradient_weights` of their `Latent`.
        """
        return z, None

    @property
    def own_weights(self) -> list:
        """Weights that the objective trains by itself, in `update`: here, none."""
        return []

    def own_terms(self, x: tf.Tensor, output: VAEOutput, *, seed) -> dict[str, tf.Tensor]:
        """What is logged of a second loss, which `update` minimises: here, nothing.

        Args:
            x: Data, `[batch, *event]`.
            output: What the model returned for it.
            seed: Stateless seed, the same on all replicas.

        Returns:
            Terms per example, `[batch]` each.
        """
        return {}

    def update(self, x: tf.Tensor, output: VAEOutput, *, step=0, seed=None) -> dict[str, tf.Tensor]:
        """A second step of training on the same batch, after the model's: here, nothing.

        Args:
            x: Data, `[batch, *event]`.
            output: What the model returned for it in the step.
            step: Training steps taken so far.
            seed: Stateless seed of the step, the same on all replicas.

        Returns:
            `own_terms`, as they were before the step.
        """
        return {}

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

    def get_build_config(self) -> None:
        """Nothing: an objective makes its weights when it first sees an output, of a load too."""
        return None

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
