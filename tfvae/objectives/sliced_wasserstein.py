"""The sliced Wasserstein autoencoder."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf

from tfvae.distribute import global_batch
from tfvae.errors import UserError
from tfvae.objectives.aggregate import AggregateMatching
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.options.bounds import Count, Weight
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Scheduled

__all__ = ["SlicedWasserstein", "squared_wasserstein"]


def squared_wasserstein(a: tf.Tensor, b: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """The squared Wasserstein-2 distance of samples on the line, ∫ (F_a⁻¹(u) − F_b⁻¹(u))² du.

    The samples may differ in size, and those of a have weights: both quantile functions are
    constant between the edges where one of them rises.

    Args:
        a: `[..., n]`.
        b: `[..., m]`, of equal weights.
        weights: Of a, `[n]`; None: all are 1.

    Returns:
        `[...]`.

    Example:
        >>> float(squared_wasserstein(tf.constant([0.0, 2.0]), tf.constant([1.0])))
        1.0
    """
    n, m = tf.shape(a)[-1], tf.shape(b)[-1]
    a = tf.broadcast_to(a, tf.concat([tf.shape(b)[:-1], [n]], axis=0))
    order = tf.argsort(a, axis=-1)
    weights = tf.ones([n], a.dtype) if weights is None else tf.cast(weights, a.dtype)
    mass = tf.math.divide_no_nan(weights, tf.reduce_sum(weights))
    ends = tf.cumsum(tf.gather(mass, order), axis=-1)
    others = tf.range(1, m + 1, dtype=tf.int32)
    others = tf.cast(others, a.dtype) / tf.cast(m, a.dtype)
    edges = tf.concat([ends, tf.broadcast_to(others, tf.shape(b))], axis=-1)
    edges = tf.sort(edges, axis=-1)
    begins = tf.concat([tf.zeros_like(edges[..., :1]), edges[..., :-1]], axis=-1)
    middles = 0.5 * (begins + edges)
    in_a = tf.minimum(tf.searchsorted(ends, middles), n - 1)
    in_b = tf.minimum(tf.cast(middles * tf.cast(m, a.dtype), tf.int32), m - 1)
    rank = order.shape.rank - 1
    a = tf.gather(a, tf.gather(order, in_a, batch_dims=rank), batch_dims=rank)
    b = tf.gather(tf.sort(b, axis=-1), in_b, batch_dims=rank)
    return tf.reduce_sum((edges - begins) * (a - b) ** 2, axis=-1)


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
        Villani, "Topics in Optimal Transportation", 2003, Theorem 2.18 (on the line).
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
