"""Gradients clipped on several replicas as on one device."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfvae.distribute.updates import accumulates_together

__all__ = ["clipped_together"]


def clipped_together(optimizer: keras.optimizers.Optimizer, gradients: Sequence) -> Sequence:
    """Clips the gradient of the global batch, so that the optimizer finds nothing to clip.

    Keras clips each replica's share of the gradient and adds the shares up afterwards: with N
    replicas the limit is up to N times what was asked for, and the direction another. Here the
    shares are added up first, g = Σ_r g_r; each replica then hands clip(g) / N to the optimizer.

    Args:
        optimizer: The optimizer, with its `clipnorm`, `clipvalue` or `global_clipnorm`.
        gradients: This replica's share, as the optimizer takes them: of the loss that
            `optimizer.scale_loss` has scaled. None where a weight has none.

    Returns:
        What the optimizer is to be given; the gradients themselves on one replica and where
        nothing is clipped.
    """
    context = tf.distribute.get_replica_context()
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    limits = (inner.clipnorm, inner.clipvalue, inner.global_clipnorm)
    several = context is not None and context.num_replicas_in_sync > 1
    if accumulates_together(inner):
        return gradients  # the optimizer is given their sum, and clips that
    there = [gradient for gradient in gradients if gradient is not None]
    if not several or not there or all(limit is None for limit in limits):
        return gradients
    there = [tf.convert_to_tensor(gradient) for gradient in there]
    there = context.all_reduce(tf.distribute.ReduceOp.SUM, there)
    scale = tf.cast(optimizer.scale_loss(tf.constant(1.0)), tf.float32)
    norm, value, together = (limit and limit * scale for limit in limits)
    if together is not None:
        there, _ = tf.clip_by_global_norm(there, together)
    elif norm is not None:
        there = [tf.clip_by_norm(g, tf.cast(norm, g.dtype)) for g in there]
    else:
        there = [tf.clip_by_value(g, -value, value) for g in there]
    rest = iter(there)
    return [g if g is None else next(rest) / context.num_replicas_in_sync for g in gradients]
