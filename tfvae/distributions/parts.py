"""A distribution of several parts, independent of each other, of which an example may lack some."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.supports import Support, support_of

tfd = tfp.distributions

__all__ = ["Parts", "SupportOfParts", "split_parts"]


def split_parts(x: tf.Tensor, shapes: Mapping[str, Sequence[int]]) -> dict[str, tf.Tensor]:
    """Takes the vector of several parts apart, see `tfvae.data.parts.packed`.

    Args:
        x: `[..., size of all parts]`.
        shapes: The shape of each part by its name, in the order of the vector.

    Returns:
        The parts by name, `[..., *shape]` each.

    Example:
        >>> {k: v.shape for k, v in split_parts(tf.zeros([5, 7]), {"a": (), "b": (2, 3)}).items()}
        {'a': TensorShape([5]), 'b': TensorShape([5, 2, 3])}
    """
    sizes = [math.prod(shape) for shape in shapes.values()]
    lead = tf.shape(x)[:-1]
    return {
        name: tf.ensure_shape(
            tf.reshape(part, tf.concat([lead, tf.constant(shape, tf.int32)], axis=0)),
            x.shape[:-1].concatenate(tuple(shape)),
        )
        for (name, shape), part in zip(shapes.items(), tf.split(x, sizes, axis=-1), strict=True)
    }


class Parts(tfd.Distribution):
    """p(x) = Π_m p_m(x_m) over the parts m that x has: a part of NaN throughout counts as missing.

    A part that is missing is summed, or integrated, over: log p(x) is that of the others.

    Args:
        parts: p_m by name, all of one batch shape.
        event_shape: Shape of x, where that is no vector; as many elements as the parts together.

    Example:
        >>> p = Parts({"a": tfd.Normal([0.0], 1.0), "b": tfd.Bernoulli([0.0], dtype=tf.float32)})
        >>> p.log_prob([[float("nan"), 1.0]]).numpy().round(3)
        array([-0.693], dtype=float32)

    References:
        Wu and Goodman, "Multimodal Generative Models for Scalable Weakly-Supervised Learning",
        2018, Section 2.2.
    """

    def __init__(
        self, parts: Mapping[str, tfd.Distribution], event_shape: Sequence[int] | None = None
    ):
        parameters = dict(locals())
        self._parts = dict(parts)
        self._shapes = {name: tuple(part.event_shape) for name, part in parts.items()}
        size = sum(math.prod(shape) for shape in self._shapes.values())
        self._shape = (size,) if event_shape is None else tuple(event_shape)
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name="Parts",
        )

    @property
    def parts(self) -> dict[str, tfd.Distribution]:
        """The distributions of the parts by name."""
        return self._parts

    @property
    def data_support(self) -> SupportOfParts:
        """What values x may have."""
        supports = {name: support_of(part) for name, part in self._parts.items()}
        return SupportOfParts(supports, self._shapes)

    def _batch_shape(self):
        return next(iter(self._parts.values())).batch_shape

    def _batch_shape_tensor(self):
        return next(iter(self._parts.values())).batch_shape_tensor()

    def _event_shape(self):
        return tf.TensorShape(self._shape)

    def _event_shape_tensor(self):
        return tf.constant(self._shape, tf.int32)

    def _packed(self, values: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """One x of the values of all parts."""
        flat = []
        for name, value in values.items():
            lead = tf.shape(value)[: value.shape.rank - len(self._shapes[name])]
            size = math.prod(self._shapes[name])
            value = tf.reshape(tf.cast(value, self.dtype), tf.concat([lead, [size]], axis=0))
            flat.append(value)
        x = tf.concat(flat, axis=-1)
        return tf.reshape(x, tf.concat([tf.shape(x)[:-1], self._event_shape_tensor()], axis=0))

    def _log_prob(self, x):
        values = split_parts(_flat(x, len(self._shape)), self._shapes)
        total = 0.0
        for name, part in self._parts.items():
            value, support = values[name], support_of(part)
            missing = _missing(value, len(self._shapes[name]))
            value = tf.cast(_filled(value, support, missing), part.dtype)
            total += tf.where(missing, 0.0, tf.cast(part.log_prob(value), self.dtype))
        return total

    def _sample_n(self, n, seed=None):
        seeds = tf.random.split(tfp.random.sanitize_seed(seed), len(self._parts))
        pairs = zip(self._parts.items(), tf.unstack(seeds), strict=True)
        return self._packed({name: part.sample(n, seed=one) for (name, part), one in pairs})

    def _mean(self):
        return self._packed({name: part.mean() for name, part in self._parts.items()})


class SupportOfParts:
    """The supports of all parts, with what `Support` has; a part that is missing is inside.

    Args:
        supports: By the name of the part.
        shapes: Likewise.
    """

    low, high, integer, symbol_axes, total, levels = -math.inf, math.inf, False, 0, None, None

    def __init__(self, supports: Mapping[str, Support], shapes: Mapping[str, Sequence[int]]):
        self._supports, self._shapes = dict(supports), dict(shapes)
        names = {name: support.name for name, support in supports.items()}
        self.name = "; ".join(f"for {name} {what}" for name, what in names.items())
        self.remedy = "; ".join(f"{name}: {own.remedy}" for name, own in supports.items())
        self.density = all(own.density for own in supports.values())

    def symbols(self, shape: Sequence[int]) -> None:
        """Not known: examples differ in the parts that they have."""

    def pieces(self, x: tf.Tensor) -> list[tuple[str, tf.Tensor, Support]]:
        """Of each part, the examples that have it: name, values `[n, ...]`, and support."""
        found = []
        for name, part in split_parts(_flat(x, x.shape.rank - 1), self._shapes).items():
            part = part[:, tf.newaxis] if not self._shapes[name] else part
            there = ~_missing(part, part.shape.rank - 1)
            found.append((name, tf.boolean_mask(part, there), self._supports[name]))
        return found

    def missing(self, x: tf.Tensor) -> tf.Tensor:
        """Which elements belong to a part that the example lacks, of the shape of x."""
        x = tf.convert_to_tensor(x)
        parts = split_parts(_flat(x, x.shape.rank - 1), self._shapes)
        each = [
            tf.repeat(
                _missing(part, len(self._shapes[name]))[:, None], math.prod(part.shape[1:]), 1
            )
            for name, part in parts.items()
        ]
        return tf.reshape(tf.concat(each, axis=1), tf.shape(x))

    def outside(self, x: tf.Tensor) -> tf.Tensor:
        """Says of each example whether a part that it has holds a value outside, `[batch]`."""
        parts = split_parts(_flat(x, x.shape.rank - 1), self._shapes)
        found = []
        for name, part in parts.items():
            missing = _missing(part, len(self._shapes[name]))
            filled = _filled(part, self._supports[name], missing)
            axis = () if self._shapes[name] else (1,)
            filled = tf.reshape(filled, tf.concat([tf.shape(filled), axis], axis=0))
            found.append(self._supports[name].outside(filled))
        return tf.reduce_any(tf.stack(found), axis=0)

    def scaled(self, x: tf.Tensor) -> tf.Tensor:
        """Brings each part to a scale that a network takes well."""
        parts = split_parts(_flat(x, x.shape.rank - 1), self._shapes)
        flat = [
            tf.reshape(self._supports[name].scaled(part), [-1, math.prod(part.shape[1:])])
            for name, part in parts.items()
        ]
        return tf.reshape(tf.concat(flat, axis=1), tf.shape(x))


def _flat(x: tf.Tensor, event_rank: int) -> tf.Tensor:
    """`[..., *event]` to `[..., size]`."""
    event = x.shape[x.shape.rank - event_rank :]
    lead = tf.shape(x)[: x.shape.rank - event_rank]
    flat = tf.reshape(x, tf.concat([lead, [math.prod(event)]], axis=0))
    return tf.ensure_shape(flat, [*x.shape[: x.shape.rank - event_rank], math.prod(event)])


def _missing(value: tf.Tensor, event_rank: int) -> tf.Tensor:
    """Whether all of an event is NaN."""
    axes = list(range(value.shape.rank - event_rank, value.shape.rank))
    return tf.reduce_all(tf.math.is_nan(value), axis=axes)


def _filled(value: tf.Tensor, support: Support, missing: tf.Tensor) -> tf.Tensor:
    """The values, with some value inside of the support in the place of those that are missing.

    A density's gradient at NaN is NaN, and stays so where the density is then left out.
    """
    fill = tf.cast(0.0 if support.low <= 0.0 <= support.high else support.low, value.dtype)
    if support.symbol_axes or support.total is not None:
        fill = tf.one_hot(0, value.shape[-1], dtype=value.dtype) * (support.total or 1)
    wide = missing
    while wide.shape.rank < value.shape.rank:
        wide = wide[..., tf.newaxis]
    return tf.where(wide, fill, value)
