"""Labels of which some may be missing: −1 stands in the place of one that nobody gave."""

from __future__ import annotations

import tensorflow as tf

from tfvae.errors import UserError

__all__ = ["MISSING", "known_labels"]

MISSING = -1


def known_labels(who: str, labels, classes: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Takes labels apart from their absence.

    Args:
        who: What takes the labels, for the message.
        labels: `[batch]`, or `[batch, 1]`: 0 to classes − 1, or −1 where the label is missing.
        classes: Number of classes.

    Returns:
        The labels, int32 `[batch]`, 0 where they are missing; whether each is there, `[batch]`.

    Raises:
        UserError: If they have another shape, or one is neither a class nor −1. In a graph that is
            seen when it runs; XLA leaves the check out.

    Example:
        >>> known_labels("M2", [2, -1], 3)[1].numpy()
        array([ True, False])
    """
    labels = tf.convert_to_tensor(labels)
    if labels.shape.rank == 2 and labels.shape[1] == 1:
        labels = tf.squeeze(labels, axis=1)
    if labels.shape.rank != 1:
        raise UserError(
            f"{who} takes labels of shape [batch], got the shape {tuple(labels.shape)}: give the "
            "number of the class of each example, tf.argmax(y, axis=-1) of one-hot vectors"
        )
    what = f"{who} takes the labels 0 to {classes - 1}, and {MISSING} for one that is missing"
    numbers = tf.cast(labels, tf.int32)
    wrong = (numbers < MISSING) | (numbers >= classes) | (tf.cast(numbers, labels.dtype) != labels)
    values = tf.get_static_value(wrong)
    if values is None:
        check = tf.debugging.Assert(~tf.reduce_any(wrong), [f"tfvae.errors.UserError: {what}"])
        with tf.control_dependencies([] if check is None else [check]):
            numbers = tf.identity(numbers)
    elif values.any():
        raise UserError(f"{what}, and got {tf.get_static_value(labels)[values][0]}")
    present = tf.not_equal(numbers, MISSING)
    return tf.where(present, numbers, 0), present
