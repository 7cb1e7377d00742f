"""Gradients that are accumulated on several replicas."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfvae.distributions.keras_compat import accumulators, batches_counter, decided

__all__ = ["accumulates_together", "apply_gradients"]


def accumulates_together(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether an optimizer accumulates gradients, and those of several replicas.

    Args:
        optimizer: The optimizer.
    """
    context = tf.distribute.get_replica_context()
    several = context is not None and context.num_replicas_in_sync > 1
    return several and bool(optimizer.gradient_accumulation_steps)


def apply_gradients(
    optimizer: keras.optimizers.Optimizer, gradients: Sequence, weights: Sequence
) -> None:
    """Hands gradients to an optimizer: where they are accumulated on replicas, their sum.

    The update that follows n batches is that of 1/n Σ_i Σ_r g_ir over batches i and replicas r,
    clipped as a whole, as on one device. Keras sums over the replicas when it updates, inside of
    a condition that each replica has by itself, which TensorFlow refuses; here the sum is taken
    in front of the condition, which is one of all replicas. What is accumulated is the sum, the
    same on all of them: it is saved, and goes on with another number of replicas.

    Args:
        optimizer: The optimizer, built.
        gradients: This replica's share of each gradient; None where a weight has none.
        weights: The weights.

    Example:
        >>> weight = keras.Variable([1.0, 2.0])
        >>> apply_gradients(keras.optimizers.SGD(0.5), [tf.ones(2)], [weight])
        >>> weight.numpy()
        array([0.5, 1.5], dtype=float32)
    """
    if not accumulates_together(optimizer):
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return
    pairs = [(g, w) for g, w in zip(gradients, weights, strict=True) if g is not None]
    weights = [weight for _, weight in pairs]
    context = tf.distribute.get_replica_context()
    shares = [tf.convert_to_tensor(gradient) for gradient, _ in pairs]
    sums = context.all_reduce(tf.distribute.ReduceOp.SUM, shares)
    steps = optimizer.gradient_accumulation_steps

    def across(strategy, sums):
        def taken(sums, update: bool):
            if update:
                # Keras sums over the replicas once more: the first hands over all, and of the
                # others nothing is left beside what they had accumulated.
                first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
                had = map(tf.convert_to_tensor, accumulators(optimizer, weights))
                sums = [tf.where(first, g, -h) for g, h in zip(sums, had, strict=True)]
            optimizer.apply(sums, weights)

        def take(update: bool) -> tf.Tensor:
            with decided(optimizer, update):
                strategy.extended.call_for_each_replica(taken, args=(sums, update))
            return tf.constant(0)

        batches = tf.convert_to_tensor(batches_counter(optimizer))
        tf.cond((batches + 1) % steps == 0, lambda: take(True), lambda: take(False))

    context.merge_call(across, args=(sums,))
