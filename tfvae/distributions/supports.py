"""What values a likelihood gives a density to, and whether data are among them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.batch_axes import Unfolded
from tfvae.distributions.coercible import concrete
from tfvae.distributions.energies import Energy
from tfvae.distributions.expected import Expected
from tfvae.distributions.outside import are_counts, are_levels, are_one_hot
from tfvae.errors import UserError

tfd = tfp.distributions

__all__ = ["Support", "check_batch", "check_data", "check_shape", "check_values", "support_of"]


class Support(NamedTuple):
    """The set of values of one element of the data.

    Attributes:
        name: How a message calls it.
        low: The smallest value.
        high: The largest value.
        integer: Whether the values are integers: the density is a probability.
        remedy: What to do with data outside.
        symbol_axes: Number of axes that hold one value together: 1 for the indicators of a
            one-hot vector, which are one symbol.
        total: What the values along the last axis have to sum to; None: anything.
        density: Whether there is a density at all; False of an `Energy`.
    """

    name: str
    low: float
    high: float
    integer: bool
    remedy: str
    symbol_axes: int = 0
    total: int | None = None
    density: bool = True

    def symbols(self, shape: Sequence[int]) -> int | None:
        """Counts the discrete values in an example, over which bits per dimension are averaged.

        Args:
            shape: Shape of an example.

        Returns:
            The number; None where the values are real numbers.

        Example:
            >>> support_of(tfd.OneHotCategorical([0.0, 0.0, 0.0])).symbols((7, 3))
            7
        """
        shape = tuple(shape)
        return math.prod(shape[: len(shape) - self.symbol_axes]) if self.integer else None

    def pieces(self, x: tf.Tensor) -> list[tuple[str, tf.Tensor, Support]]:
        """What is held against a support of one kind: name, values, and support; here, all of x."""
        return [("", x, self)]

    def missing(self, x: tf.Tensor) -> tf.Tensor | bool:
        """Which elements are NaN because the example has no value there; of one part, none."""
        return False

    def outside(self, x: tf.Tensor) -> tf.Tensor:
        """Says of each example whether it holds a value outside, NaN and infinity among them.

        It takes a few cheap passes over x, so that each training step can afford it.

        Args:
            x: `[batch, *event]`, floats.

        Returns:
            `[batch]`.

        Example:
            >>> support_of(tfd.Bernoulli(0.0)).outside(tf.constant([[0.0, 1.0], [0.5, 1.0]]))
            <tf.Tensor: shape=(2,), dtype=bool, numpy=array([False,  True])>
        """
        event = list(range(1, x.shape.rank))
        if not self.integer and self.low == -np.inf:
            return ~tf.math.is_finite(tf.reduce_sum(x, axis=event))
        if self.symbol_axes:
            inside = are_one_hot(x)
        elif self.levels == 2:
            inside = tf.equal(tf.math.squared_difference(x, 0.5), 0.25)
        elif self.levels is not None:
            inside = are_levels(x, self.levels)
        elif self.integer:
            inside = are_counts(x)
            if self.total is not None:
                sums = tf.reduce_sum(x, axis=-1, keepdims=True)
                inside &= tf.equal(sums, tf.cast(self.total, x.dtype))
        else:
            inside = (x >= self.low) & (x <= self.high)
        return ~tf.reduce_all(inside, axis=list(range(1, inside.shape.rank)))

    def scaled(self, x: tf.Tensor) -> tf.Tensor:
        """Brings data to a scale that a network takes well, if their own is not one.

        Args:
            x: Data in their units.

        Returns:
            Levels on [−1, 1]; counts as log(1 + x); 0 and 1, numbers from 0 to 1 and real numbers
            as they are.

        Example:
            >>> support_of(tfd.Poisson(1.0)).scaled(tf.constant([0.0, 99.0])).numpy().round(2)
            array([0.  , 4.61], dtype=float32)
        """
        if not self.integer or self.levels == 2:
            return x
        if self.levels is None:
            return tf.math.log1p(tf.maximum(x, 0))
        return x * (2 / (self.levels - 1)) - 1

    @property
    def levels(self) -> int | None:
        """Number of levels of discrete data, None where the values are real numbers."""
        bounded = self.integer and np.isfinite(self.high)
        return int(self.high - self.low) + 1 if bounded else None


_REAL = Support("real numbers", -np.inf, np.inf, False, "remove the values that are not finite")
_BINARY = Support(
    "0 and 1 alone",
    0,
    1,
    True,
    "binarize the data (tfvae.data.load(..., binarization='dynamic')), or take a likelihood for "
    "grey values: IndependentContinuousBernoulli for [0, 1], DiscretizedLogistic for levels",
)
_ONE_HOT = Support(
    "one-hot vectors along the last axis",
    0,
    1,
    True,
    "encode the classes with tf.one_hot",
    symbol_axes=1,
)
_UNIT = Support(
    "numbers from 0 to 1", 0, 1, False, "scale the data to [0, 1], as x / 255 does for 8-bit images"
)
_OPEN_UNIT = Support(
    "numbers above 0 and below 1",
    float(np.finfo(np.float32).tiny),
    float(np.nextafter(np.float32(1), np.float32(0))),
    False,
    "take IndependentContinuousBernoulli, which has a density at 0 and 1 too, or scale the data to "
    "the inside of the interval",
)
_COUNTS = Support("the integers from 0", 0, np.inf, True, "take a likelihood for real values")


def _levels(count: int) -> Support:
    return Support(
        f"the integers 0 to {count - 1}",
        0,
        count - 1,
        True,
        "give the integer levels themselves (tfvae.data.load(..., values='levels'))",
    )


def _trials(total: int) -> Support:
    return Support(
        f"integers from 0 that sum to {total} along the last axis",
        0,
        np.inf,
        True,
        "give the likelihood the total of the data, Multinomial(..., total_count=N)",
        total=total,
    )


_OF_CLASS = {
    tfd.Bernoulli: _BINARY,
    tfd.OneHotCategorical: _ONE_HOT,
    tfd.ContinuousBernoulli: _UNIT,
    tfd.Beta: _OPEN_UNIT,
    Energy: _UNIT._replace(density=False),
    tfd.Poisson: _COUNTS,
    tfd.NegativeBinomial: _COUNTS,
}


def support_of(distribution: tfd.Distribution) -> Support:
    """The support of one element of a distribution's event.

    Args:
        distribution: The likelihood. Discrete distributions of this package say their number of
            levels in an attribute `levels`, those of counts their total in `trials`, one of
            several parts all of it in `data_support`; wrappers such as `tfd.Independent` are
            looked through.

    Returns:
        The support; the real numbers where nothing else is known.

    Example:
        >>> support_of(tfd.Bernoulli(0.0)).levels
        2
    """
    distribution = concrete(distribution)
    if (own := getattr(distribution, "data_support", None)) is not None:
        return own
    if isinstance(getattr(distribution, "levels", None), int):
        return _levels(distribution.levels)
    if isinstance(getattr(distribution, "trials", None), int):
        return _trials(distribution.trials)
    for known, support in _OF_CLASS.items():
        if isinstance(distribution, known):
            return support
    looked_through = (tfd.Independent, tfd.BatchReshape, tfd.Sample, Unfolded, Expected)
    if isinstance(distribution, looked_through):
        return support_of(distribution.distribution)
    if isinstance(distribution, tfd.MixtureSameFamily):
        return support_of(distribution.components_distribution)
    return _REAL


def check_data(x: np.ndarray, likelihood: tfd.Distribution) -> None:
    """Refuses data that the likelihood gives no density to.

    Args:
        x: A batch of data, `[batch, *event]`.
        likelihood: p(x|z), whose event shape and support the data are held against.

    Raises:
        UserError: If the shape differs, a value is not finite, or a value is outside the support.
    """
    x = np.asarray(x)
    check_shape(x.shape[1:], likelihood.event_shape)
    support = support_of(likelihood)
    bad = np.count_nonzero(~np.isfinite(x) & ~np.asarray(support.missing(x)))
    if bad:
        raise UserError(
            f"the data hold {bad} values that are NaN or infinite among the {x.size} of the first "
            "batch: remove or repair those examples"
        )
    check_values(x, support, concrete(likelihood).name)


def check_values(x, support: Support, likelihood: str = "") -> None:
    """Refuses values outside of a support.

    Args:
        x: A batch of data, `[batch, *event]`.
        support: The support.
        likelihood: Name of the distribution, for the message.

    Raises:
        UserError: If there are any.
    """
    x = tf.convert_to_tensor(x)
    x = x if x.dtype.is_floating else tf.cast(x, tf.float32)
    for name, part, own in support.pieces(x):
        _check_values(part, own, f"{likelihood} of {name}" if name else likelihood)


def _check_values(x: tf.Tensor, support: Support, likelihood: str) -> None:
    if not tf.reduce_any(outside := support.outside(x)):
        return
    x = x.numpy()[outside.numpy()]
    flat = x[:1].ravel()
    bad = flat[~np.isfinite(flat) | (flat < support.low) | (flat > support.high)]
    if support.integer and not bad.size:
        bad = flat[flat != np.floor(flat)]
    hold = f"{bad[0]:g}" if bad.size else f"{x[0].reshape(-1, x.shape[-1])[0]}"
    name = f" ({likelihood})" if likelihood else ""
    raise UserError(
        f"the likelihood{name} takes {support.name}, but the data hold {hold} and span "
        f"[{x.min():g}, {x.max():g}] in {len(x)} of the {outside.shape[0]} examples of a batch: "
        f"{support.remedy}"
    )


def check_batch(part: str, distribution: tfd.Distribution, size: int | None) -> None:
    """Refuses a distribution whose batch is not that of the examples: what it gives would mix them.

    Args:
        part: What returned it, for the message.
        distribution: The distribution.
        size: Number of examples, None where it is unknown.

    Raises:
        UserError: If there are further batch axes, or another number of examples.
    """
    batch = distribution.batch_shape
    if batch.rank not in (None, 0) and not batch.is_compatible_with([size]):
        raise UserError(
            f"the {part} returned a distribution of batch shape {tuple(batch)} for "
            f"{'a batch' if size is None else size} of examples: its batch is that of the "
            "examples, make the other axes its event with tfd.Independent"
        )


def check_shape(shape: tuple[int | None, ...], event: Sequence[int]) -> None:
    """Refuses data whose shape is not the likelihood's event shape.

    Args:
        shape: Shape of one example.
        event: Event shape of p(x|z).

    Raises:
        UserError: If the two differ.
    """
    event = tf.TensorShape(event)
    if not event.is_compatible_with(shape):
        shape, event = tuple(shape), tuple(event)
        hint = "reshape the data or change the decoder's event_shape"
        if shape == event[1:]:
            hint = "there is no batch axis; give data.batch(128), or x[None] for one example"
        if (*shape, 1) == event:
            hint = "add the channel axis with x[..., None]"
        raise UserError(f"an example has shape {shape}, the likelihood's is {event}: {hint}")
