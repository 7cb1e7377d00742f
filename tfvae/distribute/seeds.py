"""Stateless seeds: noise that is a function of (seed, step, replica)."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

__all__ = ["as_seed", "fold_in", "replica_seed"]


def as_seed(seed: int | tf.Tensor | None) -> tf.Tensor:
    """Makes a stateless seed.

    Args:
        seed: An integer; a stateless seed, which is returned; or None for a fresh one.

    Returns:
        int32 tensor of shape `[2]`.
    """
    if seed is None:
        return tfp.random.sanitize_seed(None)
    if isinstance(seed, (int, np.integer)):
        # The low 31 bits, and the high ones, which keep large seeds apart.
        return tf.constant([(int(seed) >> 31) & 0x7FFFFFFF, int(seed) & 0x7FFFFFFF], tf.int32)
    seed = tf.cast(tf.convert_to_tensor(seed), tf.int32)
    return tf.stack([0, seed]) if seed.shape.rank == 0 else seed


def fold_in(seed: tf.Tensor, number) -> tf.Tensor:
    """Makes a new stateless seed of a seed and a number.

    Args:
        seed: int32 tensor of shape `[2]`.
        number: An integer, such as a step or a position.

    Returns:
        int32 tensor of shape `[2]`.
    """
    return tf.random.fold_in(seed, tf.cast(number, tf.int32))


def replica_seed(seed: int, step: tf.Tensor) -> tf.Tensor:
    """The noise seed of a training step: a function of (seed, step, replica) and of no state.

    Keras and tfp give every replica the same noise; a run that is repeated or resumed has to see
    the same noise again.

    Args:
        seed: The run's seed.
        step: Steps taken so far.

    Returns:
        int32 tensor of shape `[2]`.
    """
    seed = fold_in(as_seed(seed), step)
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return seed
    return fold_in(seed, context.replica_id_in_sync_group)
