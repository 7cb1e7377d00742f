"""A distribution of pairs: a position, and a momentum whose density may depend on it."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = ["Paired", "in_two"]


def in_two(pair: tf.Tensor, event_rank: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The two parts of pairs.

    Args:
        pair: `[*batch, 2, *event]`.
        event_rank: Number of axes of one part's event.

    Returns:
        The first parts and the second ones, `[*batch, *event]` each.
    """
    first, second = tf.unstack(pair, num=2, axis=-1 - event_rank)
    return first, second


class Paired(tfd.Distribution):
    """p(z) p(ρ|z), of the pair (z, ρ) as one tensor `[*batch, 2, *event]`.

    Args:
        first: p(z), of event shape `[*event]`.
        second: From z to p(ρ|z), of z's batch shape and the same event shape.
        name: Name of the distribution.
    """

    def __init__(
        self, first: tfd.Distribution, second: Callable[[tf.Tensor], tfd.Distribution], name: str
    ):
        parameters = dict(locals())
        self._first, self._second = first, second
        self._rank = first.event_shape.rank
        super().__init__(
            dtype=first.dtype,
            reparameterization_type=first.reparameterization_type,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    def _batch_shape(self):
        return self._first.batch_shape

    def _batch_shape_tensor(self):
        return self._first.batch_shape_tensor()

    def _event_shape(self):
        return tf.TensorShape([2]).concatenate(self._first.event_shape)

    def _event_shape_tensor(self):
        return tf.concat([[2], self._first.event_shape_tensor()], axis=0)

    def _sample_n(self, n, seed=None):
        seeds = tfp.random.split_seed(seed, salt="Paired")
        first = self._first.sample(n, seed=seeds[0])
        return tf.stack([first, self._second(first).sample(seed=seeds[1])], axis=-1 - self._rank)

    def _log_prob(self, value):
        first, second = in_two(value, self._rank)
        return self._first.log_prob(first) + self._second(first).log_prob(second)
