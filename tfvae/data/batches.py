"""What a batch of data is: x, or (x, context), or (x, context, sample weights)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from tfvae.data.parts import packed
from tfvae.errors import UserError

__all__ = [
    "as_float",
    "bounds",
    "first_batch",
    "part_of",
    "unpack",
    "with_context",
]


def unpack(
    data, shapes: Mapping[str, Sequence[int]] | None = None
) -> tuple[tf.Tensor, tf.Tensor | None, tf.Tensor | None]:
    """Takes a batch apart.

    Args:
        data: x, `(x,)`, `(x, context)` or `(x, context, sample_weight)`; x of any number type.
        shapes: Of the parts of x, where it is a dict; see `packed`.

    Returns:
        x as float32 (float64 stays), the context or None, the sample weights, `[batch]`, or None.
        An empty context, `[batch, 0]`, counts as None, see `with_context`.
    """
    x, context, weights = keras.utils.unpack_x_y_sample_weight(data)
    if context is not None and context.shape[-1:] == (0,):
        context = None
    if weights is not None:
        weights = tf.reshape(weights, [-1])  # Keras takes [batch, 1] as well
    x = as_float(x, shapes)
    if weights is not None and not weights.shape[:1].is_compatible_with(x.shape[:1]):
        raise UserError(
            f"there are {weights.shape[0]} sample weights for {x.shape[0]} examples: give one "
            "for each example"
        )
    return x, context, weights


def as_float(x, shapes: Mapping[str, Sequence[int]] | None = None) -> tf.Tensor:
    """Makes a tensor of x: float64 stays, every other type becomes float32; parts become one."""
    x = tf.convert_to_tensor(packed(x, shapes))
    return x if x.dtype == tf.float64 else tf.cast(x, tf.float32)


def with_context(x, y, weights):
    """Puts an empty context beside sample weights that have none: Keras drops weights alone.

    Args:
        x: An array of x, or a data set.
        y: The contexts, or None.
        weights: The sample weights, or None.

    Returns:
        The contexts and the weights.
    """
    if y is None and weights is not None:
        y = np.zeros((len(x), 0), np.float32)
    return y, weights


def first_batch(x, y=None, weights=None):
    """Looks at the first batch of what `fit` was given, without using it up.

    Args:
        x: A `tf.data.Dataset`, an array, a tensor, or a `keras.utils.PyDataset`.
        y: The contexts beside an array.
        weights: The sample weights beside an array.

    Returns:
        The batch, as `unpack` takes it; None where looking would use it up (a generator).

    Raises:
        UserError: If there is no example in it.
    """
    if isinstance(x, tf.data.Dataset):
        batch = next(iter(x.take(1)), None)
    elif isinstance(x, keras.utils.PyDataset):
        batch = x[0] if len(x) else None
    elif hasattr(x, "shape") and hasattr(x, "__getitem__"):
        batch = tuple(None if a is None else a[:32] for a in (x, y, weights)) if len(x) else None
    else:
        return None
    if batch is None or tf.size(unpack(batch)[0]) == 0:
        raise UserError(
            "the data set is empty: give at least one example (with drop_remainder=True, at least "
            "one whole batch)"
        )
    return batch


def bounds(size, number, parts: int) -> tuple:
    """Where one of several parts of a batch begins and ends: they differ by one example at most.

    Args:
        size: Examples in the batch, an integer or a tensor.
        number: Which part, from 0; of the type of `size`.
        parts: How many there are.
    """
    return size * number // parts, size * (number + 1) // parts


def part_of(data, number, parts: int):
    """One of several parts of a batch.

    Args:
        data: A batch, `[batch, ...]` each; what is None stays so.
        number: Which part, from 0: an integer, or a tensor of one.
        parts: How many there are.
    """
    number = tf.cast(number, tf.int64)

    def part(values):
        if values is None:
            return None
        begin, end = bounds(tf.shape(values, tf.int64)[0], number, parts)
        return values[begin:end]

    return tf.nest.map_structure(part, data)
