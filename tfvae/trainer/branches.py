"""A batch in parts that are computed side by side: one small layer cannot fill several cores."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.data.batches import bounds, part_of
from tfvae.errors import UserError

__all__ = ["check_branches", "parts_of", "why_whole"]


def why_whole(model: keras.Model) -> str | None:
    """Says why the loss of a model is no sum over the examples, so that a batch stays whole.

    Args:
        model: A built model with an objective.

    Returns:
        The reason, or None where a batch may be computed in parts.
    """
    if not model.objective.per_example:
        return f"{type(model.objective).__name__} looks across the batch"
    if model.objective.own_weights:
        return f"{type(model.objective).__name__} takes a second step on the batch"
    if model.non_trainable_weights:
        path = model.non_trainable_weights[0].path
        return f"the weight {path} is no subject of the gradient and may follow the whole batch"
    return None


def check_branches(model: keras.Model, branches: int) -> None:
    """Refuses branches where they would change the gradient.

    Args:
        model: A built model with an objective.
        branches: Number of parts.

    Raises:
        UserError: If the loss is no sum over the examples.
    """
    reason = why_whole(model) if branches > 1 else None
    if reason:
        raise UserError(f"branches={branches} would change the gradient: {reason}; take branches=1")


def parts_of(data, branches: int) -> list[tuple]:
    """Cuts a batch.

    Args:
        data: A batch, x or a tuple of tensors, `[batch, ...]` each.
        branches: Number of parts.

    Returns:
        The parts, each with its share of the examples, a float32 scalar. The shares add to one.
    """
    if branches == 1:
        return [(data, tf.constant(1.0))]
    size = tf.shape(tf.nest.flatten(data)[0])[0]
    whole = tf.cast(tf.maximum(size, 1), tf.float32)
    found = []
    for number in range(branches):
        begin, end = bounds(size, number, branches)
        share = tf.cast(end - begin, tf.float32) / whole
        found.append((part_of(data, number, branches), share))
    return found
