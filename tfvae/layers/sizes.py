"""Sizes and shapes as users write them: integers, sequences, arrays, tensors, `tf.TensorShape`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfvae.errors import UserError

__all__ = ["count_of", "event_shape_of"]


def _integers(value) -> list[int] | None:
    """The integers in a value, in one list; None where it holds anything else."""
    if isinstance(value, tf.TensorShape):
        value = value.as_list() if value.rank is not None else None
    elif tf.is_tensor(value):
        # In a graph a tensor has no value, unless it is a constant.
        value = tf.get_static_value(value)
    elif isinstance(value, (list, tuple)):
        entries = [_integers(entry) for entry in value]
        sizes = [None if entry is None or len(entry) != 1 else entry[0] for entry in entries]
        return None if None in sizes else sizes
    if value is None or isinstance(value, (bool, str)):
        return None
    array = np.asarray(value if np.ndim(value) == 0 else list(value))
    if array.size == 0:
        return []
    return array.ravel().tolist() if array.dtype.kind in "iu" and array.ndim < 2 else None


def _hint(value) -> str:
    """The remedy for a tensor whose value is not known while a graph is made."""
    unknown = tf.is_tensor(value) and tf.get_static_value(value) is None
    return ": its value is not known in the graph, so compute it with NumPy" if unknown else ""


def event_shape_of(
    value: int | Sequence[int] | np.ndarray | tf.Tensor | tf.TensorShape, name: str = "event_shape"
) -> tuple[int, ...]:
    """Makes a tuple of an event shape.

    Args:
        value: `50`, `(28, 28, 1)`, or `()` for a scalar event; or an array, a tensor with a known
            value, 0-d or 1-d, or a `tf.TensorShape`.
        name: The argument's name, for the message.

    Returns:
        The event shape as a tuple of positive integers.

    Raises:
        UserError: If an entry is not a positive integer.

    Example:
        >>> event_shape_of(3), event_shape_of(np.array([2, 3])), event_shape_of(tf.constant(3))
        ((3,), (2, 3), (3,))
    """
    sizes = _integers(value)
    if sizes is None or any(size < 1 for size in sizes):
        raise UserError(f"{name} takes positive integers, got {value!r}{_hint(value)}")
    return tuple(sizes)


def count_of(name: str, value: int | np.ndarray | tf.Tensor, *, least: int = 1) -> int:
    """Makes an integer of a size.

    Args:
        name: The argument's name, for the message.
        value: An integer, or an array or a tensor that holds one.
        least: The smallest one allowed.

    Returns:
        The integer.

    Raises:
        UserError: If it is none, or too small.

    Example:
        >>> count_of("units", tf.constant(3))
        3
    """
    sizes = None if isinstance(value, (list, tuple)) else _integers(value)
    if sizes is None or len(sizes) != 1 or sizes[0] < least:
        raise UserError(f"{name} takes an integer above {least - 1}, got {value!r}{_hint(value)}")
    return sizes[0]
