"""The sliced Wasserstein autoencoder."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf

from tfvae.distribute import global_batch
from tfvae.errors import UserError
from tfvae.objectives.aggregate import AggregateMatching
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.objectives.wasserstein import squared_wasserstein
from tfvae.options.bounds import Count, Weight
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Scheduled

__all__ = ["SlicedWasserstein"]


@keras.saving.register_keras_serializable(package="tfvae")
class SlicedWasserstein(AggregateMatching):
    """The sliced Wasserstein autoencoder: loss = distortion + λ SW₂²(q(z), p(z)).

    SW₂² is the mean, over directions θ on the sphere, of the squared Wasserstein-2 distance between
    the codes' projections θᵀz and those of draws of the prior, both sorted: the term
    `sliced_wasserstein`, in squared units of z. Directions and draws are made anew in each step.
    Codes are those of the (global) batch, and count by their sample weights. The distance of two
    finite samples is not zero where the distributions are the same: the estimate is biased upwards,
    the less the larger the batch. The rate has no part in the loss.

    Args:
        strength: λ, a number, a schedule of `tfvae.schedules` or of Keras, or a function of the
            step.
        projections: Number of directions in each step.
        draws: Draws of the prior in each step.
        samples: Posterior samples per example: as many batches of codes, of which the mean is
            taken.
        kl: How the logged rate is computed, see `Objective`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If `projections` is no integer from 1; when it first sees several latent groups,
            a posterior without reparameterized draws or a prior that depends on a context.

    Example:
        >>> model = tfvae.VAE(encoder, decoder, objective=SlicedWasserstein(strength=10.0))

    References:
        Kolouri, Pope, Martin, Rohde, "Sliced Wasserstein Auto-Encoders", 2019, Algorithm 1.
    """

    term = "sliced_wasserstein"
    strength = ScheduledNumber(low=0.0)

    def __init__(
        self,
        strength: Weight | Scheduled = 10.0,
        *,
        projections: Count = 50,
        draws: Count = 256,
        samples: Count = 1,
        kl: Literal["auto", "analytic", "monte_carlo"] = "auto",
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(draws, samples, kl=kl, **kwargs)
        if projections != int(projections) or projections < 1:
            raise UserError(f"projections takes an integer from 1, got {projections!r}")
        self.strength = strength
        self.projections = int(projections)

    def divergence(
        self, z: tf.Tensor, draws: tf.Tensor, *, seed, weights: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The distance of the batch, for each of its examples."""
        directions = tf.random.stateless_normal([self.projections, draws.shape[1]], seed)
        directions = tf.cast(tf.math.l2_normalize(directions, axis=1), z.dtype)
        everyone, _ = global_batch(tf.transpose(z, [1, 0, 2]))
        if weights is not None:
            weights, _ = global_batch(weights)
        codes = tf.einsum("bkd,ld->klb", everyone, directions)
        projected = tf.matmul(directions, draws, transpose_b=True)
        projected = tf.repeat(projected[None], self.samples or 1, axis=0)
        distance = tf.reduce_mean(squared_wasserstein(codes, projected, weights))
        return tf.fill([tf.shape(z)[1]], distance)

    def factors(self, step) -> tuple[tf.Tensor, tf.Tensor]:
        """Those of the rate, 0, and of the distance, λ."""
        return tf.constant(0.0), self.strength(step)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "projections": self.projections}
