"""Several batch axes for networks that know one: fold the axes, call, unfold what comes back."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = ["Unfolded", "fold", "repeat", "unfold"]


def fold(x: tf.Tensor, event_rank: int) -> tf.Tensor:
    """Makes one batch axis of all axes but the last `event_rank`.

    Args:
        x: `[*batch, *event]`.
        event_rank: Number of axes of the event.

    Returns:
        `[product of batch, *event]`.
    """
    event = x.shape[x.shape.rank - event_rank :]
    folded = tf.reshape(x, tf.concat([[-1], tf.shape(x)[x.shape.rank - event_rank :]], axis=0))
    return tf.ensure_shape(folded, [None, *event])


def unfold(x: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """Splits the batch axis again.

    Args:
        x: `[product of batch, *event]`.
        batch: The batch shape, an int32 tensor.

    Returns:
        `[*batch, *event]`.
    """
    unfolded = tf.reshape(x, tf.concat([batch, tf.shape(x)[1:]], axis=0))
    return tf.ensure_shape(unfolded, [*([None] * batch.shape[0]), *x.shape[1:]])


def repeat(x: tf.Tensor | None, batch: tf.Tensor) -> tf.Tensor | None:
    """Repeats a tensor of `[batch, ...]` along further batch axes in front, folded into one.

    Args:
        x: `[B, *event]`, or None.
        batch: The batch shape `[..., B]`, an int32 tensor.

    Returns:
        `[product of batch, *event]`, or None.
    """
    if x is None or batch.shape[0] == 1:
        return x
    shape = tf.concat([batch, tf.shape(x)[1:]], axis=0)
    return fold(tf.broadcast_to(x, shape), x.shape.rank - 1)


class Unfolded(tfd.Distribution):
    """A distribution with its one batch axis split into several.

    Unlike `tfd.BatchReshape`, `log_prob` broadcasts: a batch of data `[batch, *event]` meets a
    distribution of batch shape `[K, batch]`, as draws `[n, K, batch, *event]` do.

    Args:
        distribution: Of batch shape `[product of batch]`.
        batch: The batch shape, an int32 tensor.
    """

    def __init__(self, distribution: tfd.Distribution, batch: tf.Tensor):
        parameters = dict(locals())
        self._distribution = distribution
        self._batch = batch
        super().__init__(
            dtype=distribution.dtype,
            reparameterization_type=distribution.reparameterization_type,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=f"Unfolded{distribution.name}",
        )

    @property
    def distribution(self) -> tfd.Distribution:
        """The distribution with one batch axis."""
        return self._distribution

    def _batch_shape_tensor(self):
        return self._batch

    def _batch_shape(self):
        static = tf.get_static_value(self._batch, partial=True)
        if static is None:
            return tf.TensorShape([None] * self._batch.shape[0])
        return tf.TensorShape(list(static))

    def _event_shape_tensor(self):
        return self.distribution.event_shape_tensor()

    def _event_shape(self):
        return self.distribution.event_shape

    def unfold(self, x: tf.Tensor, event: tf.Tensor | tuple = ()) -> tf.Tensor:
        """Splits the batch axis of a tensor in the same way."""
        return tf.reshape(x, tf.concat([self._batch, tf.cast(event, tf.int32)], axis=0))

    def _statistic(self, value: tf.Tensor) -> tf.Tensor:
        return self.unfold(value, self._event_shape_tensor())

    def _log_prob(self, value):
        event = self._event_shape_tensor()
        extra = value.shape.rank - self.event_shape.rank - self._batch.shape[0]
        draws = tf.shape(value)[: max(extra, 0)]
        shape = tf.concat([draws, self._batch], axis=0)
        value = tf.broadcast_to(value, tf.concat([shape, event], axis=0))
        value = tf.reshape(value, tf.concat([draws, [-1], event], axis=0))
        return tf.reshape(self.distribution.log_prob(value), shape)

    def _sample_n(self, n, seed=None):
        draws = self.distribution.sample(n, seed=seed)
        return tf.reshape(draws, tf.concat([[n], self._batch, self._event_shape_tensor()], axis=0))

    def _mean(self):
        return self._statistic(self.distribution.mean())

    def _mode(self):
        return self._statistic(self.distribution.mode())

    def _variance(self):
        return self._statistic(self.distribution.variance())

    def _stddev(self):
        return self._statistic(self.distribution.stddev())

    def _entropy(self):
        return self.unfold(self.distribution.entropy())


@tfd.RegisterKL(Unfolded, Unfolded)
def _kl(a: Unfolded, b: Unfolded, name=None) -> tf.Tensor:
    return a.unfold(tfd.kl_divergence(a.distribution, b.distribution, name=name))
