"""The distribution over maps of codes that an autoregressive network defines."""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.batch_axes import fold, repeat
from tfvae.priors.code_network import CodeNetwork

tfd = tfp.distributions

__all__ = ["CodeMaps"]


class CodeMaps(tfd.Distribution):
    """p(k) = Π_i p(k_i | k_1, ..., k_{i−1}), the positions of the map row by row.

    Args:
        network: What gives the conditional probabilities.
        shape: Shape of a map.
        codes: K, the number of codes.
        fitted: 1, or 0 for a uniform distribution, a tensor.
        vector: What the network is conditioned on, `[batch, size]`, or None.
        temperature: Divides the logits of draws.
    """

    def __init__(
        self,
        network: CodeNetwork,
        shape: Sequence[int],
        codes: int,
        fitted: tf.Tensor,
        vector: tf.Tensor | None = None,
        temperature: float = 1.0,
    ):
        self._network, self._shape, self._codes = network, tuple(shape), codes
        self._fitted, self._vector, self._temperature = fitted, vector, temperature
        super().__init__(
            dtype=tf.int32,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters={},
            name="CodeMaps",
        )

    def at_temperature(self, temperature: float) -> CodeMaps:
        """The same with a temperature of its draws."""
        given = (self._network, self._shape, self._codes, self._fitted, self._vector)
        return CodeMaps(*given, temperature)

    def _batch_shape_tensor(self):
        return tf.zeros([0], tf.int32) if self._vector is None else tf.shape(self._vector)[:1]

    def _batch_shape(self):
        return tf.TensorShape([]) if self._vector is None else self._vector.shape[:1]

    def _event_shape_tensor(self):
        return tf.constant(self._shape)

    def _event_shape(self):
        return tf.TensorShape(self._shape)

    def _log_prob(self, value):
        rank = len(self._shape)
        batch = tf.shape(value)[: value.shape.rank - rank]
        codes = tf.reshape(tf.cast(fold(value, rank), tf.int32), [-1, math.prod(self._shape)])

        def fitted():
            vector = repeat(self._vector, batch)
            logits = self._network(codes if vector is None else (codes, vector))
            return -tf.nn.sparse_softmax_cross_entropy_with_logits(codes, logits)

        def uniform():
            return tf.fill(tf.shape(codes), -math.log(self._codes))

        # `cond`: before the prior is fitted, no training step has to compute the network. Without a
        # gradient: the fit takes its own, and XLA fails on that of a condition.
        log_probs = tf.stop_gradient(tf.cond(self._fitted > 0.5, fitted, uniform))
        return tf.reshape(tf.reduce_sum(log_probs, axis=-1), batch)

    def _sample_n(self, n, seed=None):
        batch = tf.concat([[n], self._batch_shape_tensor()], axis=0)
        draws = self._network.draw(
            tf.reduce_prod(batch),
            tfp.random.sanitize_seed(seed),
            self._temperature,
            repeat(self._vector, batch),
        )
        return tf.reshape(draws, tf.concat([batch, self._shape], axis=0))
