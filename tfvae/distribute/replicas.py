"""Sums, means and batches over all replicas."""

from __future__ import annotations

import tensorflow as tf

__all__ = ["all_replicas_sum", "batch_mean", "global_batch"]


def all_replicas_sum(value: tf.Tensor) -> tf.Tensor:
    """The sum of a tensor over all replicas; the tensor itself outside a replica context."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def global_batch(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The batch of all replicas in the order of their numbers; gradients flow through it.

    Args:
        values: This replica's part, `[batch, ...]`; the parts may differ in length.

    Returns:
        The whole, `[global batch, ...]`, and where in it this replica's part begins.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values, tf.constant(0)
    counts = context.all_gather(tf.shape(values)[:1], axis=0)
    start = tf.reduce_sum(counts[: context.replica_id_in_sync_group])
    whole = context.all_gather(values, axis=0)  # loses the static shape of an example
    return tf.ensure_shape(whole, [None, *values.shape[1:]]), start


def batch_mean(values: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """This replica's share of the mean over the global batch.

    Keras sums gradients over replicas, so the replicas' losses have to sum to the mean. The
    division is by the number of examples on all replicas: it holds for a last batch that the
    replicas share unevenly.

    Args:
        values: One number per example, `[batch]`.
        weights: Sample weights, `[batch]`. As in Keras, they weigh the examples and the division
            stays by the number of examples.

    Returns:
        A scalar.
    """
    count = tf.cast(tf.size(values), values.dtype)
    if weights is not None:
        values = values * tf.cast(weights, values.dtype)
    return tf.reduce_sum(values) / tf.maximum(all_replicas_sum(count), 1.0)
