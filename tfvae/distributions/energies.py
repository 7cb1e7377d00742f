"""Energies in the place of a likelihood: they say how far x is from what the decoder makes."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = ["Energy"]


class Energy(tfd.Distribution):
    """The energy E(x, x̂) as far as a VAE asks a likelihood: no density, and without noise.

    `log_prob` is −E(x, x̂), of which nobody knows the integral over x: exp(−E) is no density, so
    there are neither nats of x nor bits, and no log p(x). Mean, mode and every draw are x̂.

    Args:
        made: x̂, what the decoder makes, `[*batch, *event]`.
        energy: From (x, x̂), both `[*batch, *event]`, to E, `[*batch]`.
        event_rank: Number of axes of the event.
        name: Name of the energy.

    Example:
        >>> square = Energy(tf.zeros([5, 3]), lambda x, y: tf.reduce_sum((x - y) ** 2, -1), 1)
        >>> square.log_prob(tf.ones([5, 3])).numpy()
        array([-3., -3., -3., -3., -3.], dtype=float32)
    """

    def __init__(
        self,
        made: tf.Tensor,
        energy: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        event_rank: int,
        name: str = "Energy",
    ):
        parameters = dict(locals())
        self._made, self._energy, self._rank = made, energy, event_rank
        super().__init__(
            dtype=made.dtype,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    def _batch_shape(self):
        return self._made.shape[: self._made.shape.rank - self._rank]

    def _batch_shape_tensor(self):
        return tf.shape(self._made)[: self._made.shape.rank - self._rank]

    def _event_shape(self):
        return self._made.shape[self._made.shape.rank - self._rank :]

    def _event_shape_tensor(self):
        return tf.shape(self._made)[self._made.shape.rank - self._rank :]

    def _log_prob(self, x):
        shape = tf.broadcast_dynamic_shape(tf.shape(x), tf.shape(self._made))
        return -self._energy(tf.broadcast_to(x, shape), tf.broadcast_to(self._made, shape))

    def _sample_n(self, n, seed=None):
        return tf.repeat(self._made[None], n, axis=0)

    def _mean(self):
        return tf.identity(self._made)

    def _mode(self):
        return tf.identity(self._made)
