"""Densities that are 0 outside of their support, with gradients that stay finite there."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = ["are_counts", "are_levels", "are_one_hot", "log_sum_exp", "zero_outside"]


def zero_outside(
    inside: tf.Tensor, x: tf.Tensor, safe, log_prob: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """The log density where x is inside the support, −∞ elsewhere, where the gradient is zero.

    The formula never sees a value from outside, for which it or its gradient may be NaN: a NaN
    times the zero of the branch not taken would be NaN.

    Args:
        inside: Whether x is in the support; of the shape of x for independent elements, and of
            the shape of log p where it is asked of events.
        x: Values.
        safe: A value inside, of a shape that broadcasts to that of x.
        log_prob: The formula.

    Returns:
        Nats, of the shape of `log_prob(x)`.

    Example:
        >>> x = tf.constant([-1.0, 1.0])
        >>> zero_outside(x > 0, x, 1.0, tf.math.log).numpy().tolist()
        [-inf, 0.0]
    """
    wide = inside
    while wide.shape.rank < x.shape.rank:
        wide = wide[..., tf.newaxis]
    value = log_prob(tf.where(wide, x, tf.cast(safe, x.dtype)))
    return tf.where(inside, value, tf.constant(-float("inf"), value.dtype))


def log_sum_exp(terms: tf.Tensor) -> tf.Tensor:
    """Logarithm of Σ_k e^{t_k} over the last axis, with a gradient of zero where all terms are −∞.

    Args:
        terms: Logarithms, `[..., K]`.

    Returns:
        Their sum's logarithm, `[...]`.

    Example:
        >>> float(log_sum_exp(tf.constant([-float("inf"), -float("inf")])))
        -inf
    """
    some = tf.reduce_max(terms, axis=-1) > -float("inf")
    some |= tf.reduce_any(tf.math.is_nan(terms), axis=-1)  # a NaN stays one
    return zero_outside(some, terms, 0.0, lambda safe: tf.reduce_logsumexp(safe, axis=-1))


def are_levels(x: tf.Tensor, levels: int) -> tf.Tensor:
    """Whether each x is one of the integers 0 .. levels − 1."""
    top = tf.constant(levels - 1, x.dtype)
    return tf.equal(tf.clip_by_value(tf.floor(x), tf.zeros([], x.dtype), top), x)


def are_counts(x: tf.Tensor) -> tf.Tensor:
    """Whether each x is one of the integers from 0."""
    # The difference is NaN where x is infinite.
    return tf.equal(tf.maximum(tf.floor(x), 0) - x, 0)


def are_one_hot(x: tf.Tensor) -> tf.Tensor:
    """Whether each vector `[..., d]` is a one-hot vector."""
    binary = tf.reduce_all(tf.equal(x * x - x, 0), axis=-1)
    return binary & tf.equal(tf.reduce_sum(x, axis=-1), 1)
