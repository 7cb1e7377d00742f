"""The weights of a step's examples, for what learns from them beside the loss."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

import tensorflow as tf

__all__ = ["example_weights", "weights_given", "weights_of"]

_WEIGHTS: contextvars.ContextVar[tf.Tensor | None] = contextvars.ContextVar("weights", default=None)


@contextlib.contextmanager
def example_weights(weights: tf.Tensor | None) -> Iterator[None]:
    """Says how much each example counts in what is called while the block runs.

    The loss is weighted behind the model's call. Statistics that a latent structure keeps of its
    examples, such as the moving means of a codebook, are taken within it.

    Args:
        weights: `[batch]`; None: all examples count the same.
    """
    token = _WEIGHTS.set(weights)
    try:
        yield
    finally:
        _WEIGHTS.reset(token)


def weights_given() -> tf.Tensor | None:
    """The weight of each example, `[batch]`; None where all count the same."""
    return _WEIGHTS.get()


def weights_of(values: tf.Tensor) -> tf.Tensor | None:
    """The weight of each of several values that an example has.

    Args:
        values: `[batch · positions, ...]`, the positions of an example beside each other.

    Returns:
        `[batch · positions]`, of the values' dtype; None where all examples count the same.

    Example:
        >>> with example_weights(tf.constant([1.0, 0.0])):
        ...     weights_of(tf.zeros([4, 3])).numpy()
        array([1., 1., 0., 0.], dtype=float32)
    """
    weights = weights_given()
    if weights is None:
        return None
    dtype = values.dtype if values.dtype.is_floating else tf.float32
    each = tf.shape(values)[0] // tf.maximum(tf.size(weights), 1)
    return tf.repeat(tf.cast(weights, dtype), each)
