"""Means over the global batch that a loss is held against."""

from __future__ import annotations

import tensorflow as tf

from tfvae.distribute import all_replicas_sum

__all__ = ["global_mean"]


def global_mean(values: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """The weighted mean of `[batch]` over all replicas, as a constant of the gradient."""
    values = tf.stop_gradient(values)
    weights = tf.ones_like(values) if weights is None else tf.cast(weights, values.dtype)
    total = all_replicas_sum(tf.stack([tf.reduce_sum(weights * values), tf.reduce_sum(weights)]))
    return tf.math.divide_no_nan(total[0], total[1])
