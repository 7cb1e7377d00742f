"""The scalar equation that planar and Sylvester flows are inverted by."""

from __future__ import annotations

import math

import tensorflow as tf

from tfvae.layers.base import positive

__all__ = ["MIN_SLOPE", "bent", "slope_at", "slope_of", "straightened"]

MIN_SLOPE = 1e-3  # the smallest slope: the inverse is no steeper than its reciprocal
_HALVINGS = 32
_ONE = math.log(math.expm1(1 - MIN_SLOPE))


def slope_of(raw: tf.Tensor) -> tf.Tensor:
    """Maps real numbers to slopes above `MIN_SLOPE`, and 0 to a slope of 1."""
    return positive(raw + _ONE, MIN_SLOPE)


def bent(a: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """The line bent around 0: f(a) = a + (s − 1) tanh a, of slope s at 0 and 1 far from it.

    Args:
        a: Any shape.
        slope: s above 0, of a shape that broadcasts.

    Returns:
        f(a).
    """
    return a + (slope - 1) * tf.tanh(a)


def slope_at(a: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """The slope of `bent`, f'(a) = tanh² a + s (1 − tanh² a): no difference, so never below 0."""
    square = tf.square(tf.tanh(a))
    return square + slope * (1 - square)


def straightened(value: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """The a with f(a) = value, by halving an interval that holds it; without gradients.

    Args:
        value: f(a), of any shape.
        slope: s above 0, of a shape that broadcasts.

    Returns:
        a, to the precision of the type.

    Example:
        >>> a = straightened(bent(tf.constant([0.3, -2.0]), 0.1), 0.1)
        >>> bool(np.allclose(a, [0.3, -2.0], atol=1e-6))
        True
    """
    value = tf.stop_gradient(tf.convert_to_tensor(value))
    slope = tf.stop_gradient(tf.convert_to_tensor(slope, value.dtype))
    reach = tf.abs(slope - 1) + tf.zeros_like(value)  # |f(a) − a| is below it
    value += tf.zeros_like(reach)

    def halved(i, middle, reach):
        reach /= 2
        above = bent(middle, slope) < value
        return i + 1, middle + tf.where(above, reach, -reach), reach

    a = tf.while_loop(lambda i, *_: i < _HALVINGS, halved, (0, value, reach))[1]
    for _ in range(2):  # Newton's steps: from nine digits to all
        a -= (bent(a, slope) - value) / slope_at(a, slope)
    return tf.stop_gradient(a)
