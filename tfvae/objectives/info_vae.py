"""The InfoVAE, and with it the Wasserstein autoencoder: maximum mean discrepancy."""

from __future__ import annotations

import functools
from typing import Literal

import keras
import tensorflow as tf

from tfvae.errors import unknown_name
from tfvae.objectives.aggregate import AggregateMatching
from tfvae.objectives.mmd import KERNELS, maximum_mean_discrepancy
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.options.bounds import Count, Positive, Weight
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Scheduled

__all__ = ["InfoVAE"]


@keras.saving.register_keras_serializable(package="tfvae")
class InfoVAE(AggregateMatching):
    """The InfoVAE: loss = distortion + (1 − α) rate + (α + λ − 1) MMD²(q(z), p(z)).

    The maximum mean discrepancy is estimated from the codes of the (global) batch, with sample
    weights those of the weighted data, and draws of the prior: it is the term `mmd`. With α = 0
    and λ = 1 the loss is the negative ELBO; with α = 1 the single codes are free, only all of them
    together are held to the prior: the Wasserstein autoencoder, where the distortion is the
    transport's cost (a squared distance for a normal likelihood of fixed scale).

    Args:
        alpha: α, up to 1; as the next, a number, a schedule of `tfvae.schedules` or of Keras, or a
            function of the step.
        strength: λ. The distortion is summed over the event, so that it is large for large data.
        kernel: `"rbf"` or `"imq"`, see `tfvae.objectives.mmd`.
        bandwidth: σ of the kernel, in units of z: 1 for a standard normal prior.
        unbiased: Whether the estimate leaves out the pairs of a code and itself. It may then be
            below zero, and is right in expectation for every size of the batch; a batch of one
            example has no pair. Else it is the biased estimate, which is never below zero and
            presses codes of small batches too far apart.
        draws: Draws of the prior in each step.
        samples: Posterior samples per example.
        kl: How the rate is computed, see `Objective`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If the kernel is unknown; when it first sees several latent groups, a posterior
            without reparameterized draws or a prior that depends on a context.

    Example:
        >>> wae = tfvae.VAE(encoder, decoder, objective=InfoVAE(alpha=1.0, kernel="imq"))

    References:
        Zhao, Song, Ermon, "InfoVAE: Balancing Learning and Inference in Variational Autoencoders",
        2019, Section 4.
        Tolstikhin, Bousquet, Gelly, Schölkopf, "Wasserstein Auto-Encoders", 2018, Algorithm 2.
        Gretton et al., "A Kernel Two-Sample Test", 2012, Lemma 6 (the estimates).
    """

    term = "mmd"
    alpha = ScheduledNumber(high=1.0)
    strength = ScheduledNumber(low=0.0)

    def __init__(
        self,
        alpha: float | Scheduled = 0.5,
        strength: Weight | Scheduled = 10.0,
        *,
        kernel: Literal["rbf", "imq"] = "rbf",
        bandwidth: Positive = 1.0,
        unbiased: bool = True,
        draws: Count = 256,
        samples: Count = 1,
        kl: Literal["auto", "analytic", "monte_carlo"] = "auto",
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(draws, samples, kl=kl, **kwargs)
        if kernel not in KERNELS:
            raise unknown_name("kernel", kernel, KERNELS)
        self.alpha, self.strength = alpha, strength
        self.kernel, self.bandwidth, self.unbiased = kernel, bandwidth, unbiased

    def divergence(
        self, z: tf.Tensor, draws: tf.Tensor, *, seed, weights: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The maximum mean discrepancy of all codes, see `maximum_mean_discrepancy`."""
        kernel = functools.partial(KERNELS[self.kernel], bandwidth=self.bandwidth)
        return maximum_mean_discrepancy(z, draws, kernel, weights=weights, unbiased=self.unbiased)

    def factors(self, step) -> tuple[tf.Tensor, tf.Tensor]:
        """Those of the rate, 1 − α, and of the discrepancy, α + λ − 1."""
        alpha = self.alpha(step)
        return 1.0 - alpha, alpha + self.strength(step) - 1.0

    def get_config(self) -> dict:
        """Configuration for saving."""
        own = {name: getattr(self, name) for name in ("kernel", "bandwidth", "unbiased")}
        return {**super().get_config(), **own}
