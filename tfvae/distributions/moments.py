"""Means and standard deviations of distributions that have none in closed form, too."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = ["mean_of", "stddev_of"]

DRAWS = 1000


def _moment(distribution: tfd.Distribution, moment: str) -> tf.Tensor:
    try:
        return getattr(distribution, moment)()
    except NotImplementedError:
        # A seed of two numbers is stateless: the same draws at each call.
        draws = distribution.sample(DRAWS, seed=(0, 1))
        draws = draws if draws.dtype.is_floating else tf.cast(draws, tf.float32)
        return {"mean": tf.reduce_mean, "stddev": tf.math.reduce_std}[moment](draws, axis=0)


def mean_of(distribution: tfd.Distribution) -> tf.Tensor:
    """The mean of a distribution: in closed form where tfp has one, else over 1000 draws.

    A flow, for one, has no mean in closed form. The draws are the same ones each time; their
    mean is off by some 3 % of the standard deviation.

    Args:
        distribution: Of batch shape `[*batch]` and event shape `[*event]`.

    Returns:
        `[*batch, *event]`.

    Example:
        >>> float(mean_of(tfd.Normal(2.0, 1.0)))
        2.0
    """
    return _moment(distribution, "mean")


def stddev_of(distribution: tfd.Distribution) -> tf.Tensor:
    """The standard deviation: in closed form where tfp has one, else over 1000 draws.

    Args:
        distribution: Of batch shape `[*batch]` and event shape `[*event]`.

    Returns:
        `[*batch, *event]`.
    """
    return _moment(distribution, "stddev")
