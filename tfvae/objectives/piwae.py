"""Importance-weighted bounds of two kinds: one for the encoder, one for the decoder."""

from __future__ import annotations

import math
from typing import Literal

import keras
import tensorflow as tf

from tfvae.distributions.divergences import log_importance_weights
from tfvae.distributions.elbo import elbo
from tfvae.distributions.types import ObjectiveOutput, VAEOutput
from tfvae.objectives.importance import ImportanceWeighted, effective_samples, without_score
from tfvae.options.bounds import Count
from tfvae.options.keywords import ImportanceOptions, Unpack

__all__ = ["PIWAE"]

# A bound's share of the weight of all draws is at least this for the decoder: far below what
# float32 resolves in a sum of shares, and far above what a gradient in float16 loses.
LEAST_SHARE = 1e-8


@keras.saving.register_keras_serializable(package="tfvae")
class PIWAE(ImportanceWeighted):
    """The partially importance-weighted autoencoder: `IWAE` for the decoder, `MIWAE` for the rest.

    Decoder and prior are trained on loss_θ = −log 1/(M·K) Σ_m Σ_k w_mk, the tightest bound of the
    M·K draws w_mk = p(x, z_mk) / q(z_mk|x), and the encoder on loss_φ = −1/M Σ_m log 1/K Σ_k w_mk,
    whose gradient has the better signal-to-noise ratio. The loss's value is loss_θ; the terms
    `iwae_bound` and `miwae_bound` are the two bounds, of which the first is the higher.

    What comes back to a draw from the decoder has the draw's share of all weights as its factor;
    before it reaches the encoder it is multiplied by the ratio of that to the share in the bound.

    Args:
        bounds: M, independent bounds per example for the encoder.
        samples: K, posterior samples in each: M·K draws per example in all.
        gradient: The encoder's: `"plain"`, `"stl"` or `"dreg"`, as in `IWAE`.
        **kwargs: `kl`, of the logged rate alone; arguments of `keras.layers.Layer`.

    Raises:
        UserError: As `IWAE`; when it first sees several latent groups, whatever the gradient.

    Example:
        >>> objective = PIWAE(bounds=8, samples=8)
        >>> objective.samples
        64

    References:
        Rainforth et al., "Tighter Variational Bounds are Not Necessarily Better", 2018, Section 6.
    """

    def __init__(
        self,
        bounds: Count = 8,
        samples: Count = 8,
        gradient: Literal["plain", "stl", "dreg"] = "plain",
        **kwargs: Unpack[ImportanceOptions],
    ):
        super().__init__(bounds, samples, gradient, **kwargs)

    @property
    def weighs_draws(self) -> bool:
        """True: encoder and decoder have a bound each."""
        return True

    @property
    def directions(self) -> dict[str, str]:
        """Both bounds are to rise."""
        return {**super().directions, "iwae_bound": "max", "miwae_bound": "max"}

    @property
    def _weigher(self) -> tuple[str, str]:
        return "PIWAE", "IWAE or MIWAE"

    def call(
        self, x: tf.Tensor, output: VAEOutput, *, step=0, weights: tf.Tensor | None = None
    ) -> ObjectiveOutput:
        """Computes the loss of a batch, nats per example; beside the ELBO's terms the bounds."""
        self._check(output)
        latent = output.latents[0]
        score = without_score(latent.posterior, latent.z)  # of the encoder alone: by itself below
        log_weights = self.grouped(log_importance_weights(x, output) + score)
        bounds, shares, _ = self.combine(log_weights, step)
        of_bounds = tf.stop_gradient(tf.nn.softmax(bounds, axis=0))[:, None]  # [M, 1, batch]
        of_bounds = tf.maximum(of_bounds, LEAST_SHARE)
        encoder = tf.ones_like(shares) if self.gradient != "dreg" else shares
        self.weigh_gradient(output, encoder / (self.bounds * of_bounds))
        value = tf.reduce_logsumexp(bounds, axis=0) - math.log(self.bounds)
        gradient = tf.reduce_sum(of_bounds * shares * log_weights, axis=[0, 1])
        if self.gradient == "plain":
            gradient -= tf.reduce_sum(shares * self.grouped(score), axis=[0, 1]) / self.bounds
        bound = tf.stop_gradient(value - gradient) + gradient
        terms = self.elbo_terms(x, output, elbo(x, output, kl=self.kl))
        terms |= {"iwae_bound": bound, "miwae_bound": tf.reduce_mean(bounds, axis=0)}
        return ObjectiveOutput(-bound, {**terms, "effective_samples": effective_samples(shares)})

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "bounds": self.bounds}
