"""The Wasserstein distance of samples on the line."""

from __future__ import annotations

import tensorflow as tf

__all__ = ["squared_wasserstein"]


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

    References:
        Villani, "Topics in Optimal Transportation", 2003, Theorem 2.18.
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
