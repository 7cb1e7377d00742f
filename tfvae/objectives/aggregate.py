"""The base of the objectives that hold all codes together against the prior, by draws of it."""

from __future__ import annotations

import math

import tensorflow as tf

from tfvae.distribute import fold_in
from tfvae.distributions.elbo import elbo
from tfvae.distributions.types import Latent, ObjectiveOutput, VAEOutput
from tfvae.errors import UserError
from tfvae.objectives.base import Objective
from tfvae.objectives.latents import one_group, refuse_no_gradient, shared_prior
from tfvae.options.keywords import ImportanceOptions, Unpack

__all__ = ["AggregateMatching"]


class AggregateMatching(Objective):
    """Base: loss = distortion + a · rate + b · D(q(z) ‖ p(z)), D of draws of the two.

    The aggregate posterior is q(z) = E_x q(z|x), of which the (global) batch's codes are draws;
    those of the prior are made anew in each step, a function of (seed, step). A concrete objective
    defines `divergence`, and `factors`, a and b. Of a prior whose draws pass no gradient, such as
    a mixture's, the weights are trained by the rate alone.

    Args:
        draws: n, draws of the prior in each step.
        samples: K, posterior samples per example.
        **kwargs: `kl`, see `Objective`; arguments of `keras.layers.Layer`.
    """

    term = "divergence"  # its name in the logs

    def __init__(self, draws: int, samples: int, **kwargs: Unpack[ImportanceOptions]):
        for name, value, least in [("draws", draws, 2), ("samples", samples, 1)]:
            if value != int(value) or value < least:
                raise UserError(f"{name} takes an integer from {least}, got {value!r}")
        super().__init__(samples=None if samples == 1 else int(samples), **kwargs)
        self.draws = int(draws)

    def divergence(
        self, z: tf.Tensor, draws: tf.Tensor, *, seed, weights: tf.Tensor | None = None
    ) -> tf.Tensor:
        """How far codes and draws of the prior are from each other.

        Args:
            z: Codes, `[K, batch, D]`.
            draws: Draws of the prior, `[n, D]`, the same on all replicas.
            seed: Stateless seed, the same on all replicas.
            weights: Sample weights, `[batch]`; None: all are 1.

        Returns:
            `[batch]`; its weighted mean over the batch is the divergence.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define divergence(z, draws, ...)")

    def factors(self, step) -> tuple[tf.Tensor, tf.Tensor]:
        """The factors of the rate and of the divergence at a step."""
        raise NotImplementedError(f"{type(self).__name__} has to define factors(step)")

    @property
    def directions(self) -> dict[str, str]:
        """The divergence is to fall."""
        return {**super().directions, self.term: "min"}

    def call(
        self,
        x: tf.Tensor,
        output: VAEOutput,
        *,
        step=0,
        weights: tf.Tensor | None = None,
        seed: tf.Tensor | None = None,
    ) -> ObjectiveOutput:
        """Computes the loss of a batch, nats per example."""
        latent = self._checked(output)
        size = math.prod(latent.z.shape[latent.z.shape.rank - len(latent.prior.event_shape) :])
        batch = tf.shape(latent.z)[-1 - len(latent.prior.event_shape)]
        z = tf.reshape(latent.z, [self.samples or 1, batch, size])
        draws = latent.prior.sample(self.draws, seed=fold_in(seed, 0))
        draws = tf.reshape(tf.cast(draws, z.dtype), [self.draws, size])
        divergence = self.divergence(z, draws, seed=fold_in(seed, 1), weights=weights)
        bound = elbo(x, output, kl=self.kl)
        of_rate, of_divergence = self.factors(step)
        # A rate that has no part in the loss may be infinite, as that of codes that are points.
        loss = bound.distortion + tf.math.multiply_no_nan(bound.rate, of_rate)
        loss += of_divergence * divergence
        terms = {**self.elbo_terms(x, output, bound), self.term: divergence}
        return ObjectiveOutput(loss, terms)

    def _checked(self, output: VAEOutput) -> Latent:
        name = type(self).__name__
        latent = one_group(output, name, "the codes of all examples are held against one prior")
        refuse_no_gradient(latent, name)
        shared_prior(latent, name)
        return latent

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "draws": self.draws, "samples": self.samples or 1}
