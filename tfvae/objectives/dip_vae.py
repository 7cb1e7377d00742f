"""The DIP-VAE: codes whose covariance over the data is the identity."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import all_replicas_sum
from tfvae.distributions.elbo import elbo
from tfvae.distributions.types import ObjectiveOutput, VAEOutput
from tfvae.errors import UserError, unknown_name
from tfvae.objectives.base import Objective
from tfvae.objectives.latents import code_moments, one_group
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.options.bounds import Count, Weight
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Scheduled

tfd = tfp.distributions

__all__ = ["DipVAE"]

KINDS = ("i", "ii")


@keras.saving.register_keras_serializable(package="tfvae")
class DipVAE(Objective):
    """The DIP-VAE: loss = distortion + rate + λ_od Σ_{i≠j} C_ij² + λ_d Σ_i (C_ii − 1)².

    C is a covariance over the data, of kind `"i"` that of the posterior's mean, Cov_x[μ(x)], and
    of kind `"ii"` that of the code itself, Cov[z] = E_x[Σ(x)] + Cov_x[μ(x)]: where q(z) is the
    standard normal prior, it is the identity. It is estimated from the (global) batch, with sample
    weights that of the weighted data (divided by the sum of the weights, as a distribution's, so
    that C of kind i is too small by the factor 1 − 1/batch). The sum of the two penalties, weights
    included, is the term `covariance_penalty`, one number for the batch.

    Args:
        off_diagonal: λ_od; as the next, a number, a schedule of `tfvae.schedules` or of Keras, or
            a function of the step.
        diagonal: λ_d. Locatello et al. (2019) take 10 λ_od for kind i, λ_od for kind ii.
        kind: `"i"` or `"ii"`. Of kind ii the penalty falls fastest where q(z|x) is the prior: with
            large weights the codes say little for many epochs.
        samples: Posterior samples per example, over which the distortion is averaged.
        kl: How the rate is computed, see `Objective`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If the kind is unknown; when it first sees several latent groups or a posterior
            whose mean and covariance are not known in closed form.

    Example:
        >>> model = tfvae.VAE(encoder, decoder, objective=DipVAE(off_diagonal=5.0, diagonal=5.0))

    References:
        Kumar, Sattigeri, Balakrishnan, "Variational Inference of Disentangled Latent Concepts from
        Unlabeled Observations", 2018, Section 3 (DIP-VAE-I and DIP-VAE-II).
        Locatello et al., "Challenging Common Assumptions in the Unsupervised Learning of
        Disentangled Representations", 2019.
    """

    off_diagonal = ScheduledNumber(low=0.0)
    diagonal = ScheduledNumber(low=0.0)

    def __init__(
        self,
        off_diagonal: Weight | Scheduled = 10.0,
        diagonal: Weight | Scheduled = 10.0,
        *,
        kind: Literal["i", "ii"] = "i",
        samples: Count = 1,
        kl: Literal["auto", "analytic", "monte_carlo"] = "auto",
        **kwargs: Unpack[LayerOptions],
    ):
        if kind not in KINDS:
            raise unknown_name("kind", kind, KINDS)
        if samples != int(samples) or samples < 1:
            raise UserError(f"samples takes an integer from 1, got {samples!r}")
        super().__init__(samples=None if samples == 1 else int(samples), kl=kl, **kwargs)
        self.off_diagonal, self.diagonal = off_diagonal, diagonal
        self.kind = kind

    def covariance(self, posterior: tfd.Distribution, weights: tf.Tensor | None) -> tf.Tensor:
        """C of the global batch, `[D, D]`."""
        mean, within = code_moments(posterior, "DipVAE")
        weights = tf.ones_like(mean[:, 0]) if weights is None else tf.cast(weights, mean.dtype)
        total, weights = all_replicas_sum(tf.reduce_sum(weights)), weights[:, None]

        def of_all(summed: tf.Tensor) -> tf.Tensor:
            return tf.math.divide_no_nan(all_replicas_sum(summed), total)

        mean -= of_all(tf.reduce_sum(weights * mean, axis=0))
        covariance = tf.matmul(weights * mean, mean, transpose_a=True)
        if self.kind == "ii":
            covariance += tf.reduce_sum(weights[..., None] * within, axis=0)
        return of_all(covariance)

    def call(
        self, x: tf.Tensor, output: VAEOutput, *, step=0, weights: tf.Tensor | None = None
    ) -> ObjectiveOutput:
        """Computes the loss of a batch, nats per example."""
        latent = one_group(
            output, "DipVAE", "the covariance is that of codes of one standard normal prior"
        )
        covariance = self.covariance(latent.posterior, weights)
        diagonal = tf.linalg.diag_part(covariance)
        off = tf.reduce_sum(covariance**2) - tf.reduce_sum(diagonal**2)
        penalty = self.off_diagonal(step) * off
        penalty += self.diagonal(step) * tf.reduce_sum((diagonal - 1.0) ** 2)
        bound = elbo(x, output, kl=self.kl)
        penalty = tf.fill(tf.shape(bound.elbo), penalty)
        terms = {**self.elbo_terms(x, output, bound), "covariance_penalty": penalty}
        return ObjectiveOutput(penalty - bound.elbo, terms)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "samples": self.samples or 1, "kind": self.kind}
