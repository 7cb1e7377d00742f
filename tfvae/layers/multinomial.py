"""Multinomial distributions of counts with a known total."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.outside import are_counts, zero_outside
from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer
from tfvae.layers.sizes import count_of
from tfvae.options.bounds import Count
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["CountsMultinomial", "Multinomial"]


class CountsMultinomial(tfd.Multinomial):
    """The multinomial, with a density of 0 at what are no counts of its total.

    Its draws are counted from single trials, which XLA compiles; tfp's are not compiled.

    Args:
        total_count: N, an integer.
        logits: `[..., d]`.
        validate_args: Whether tfp checks values at run time.
        name: Name of the distribution.
    """

    def __init__(self, total_count, logits, validate_args=False, name="Multinomial"):
        parameters = dict(locals())
        self._trials = total_count
        logits = tf.convert_to_tensor(logits)
        super().__init__(
            tf.cast(total_count, logits.dtype),
            logits=logits,
            validate_args=validate_args,
            name=name,
        )
        self._parameters = parameters

    @property
    def trials(self) -> int:
        """N."""
        return self._trials

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {
            "total_count": tfp.util.ParameterProperties(),
            "logits": tfp.util.ParameterProperties(event_ndims=1),
        }

    def _log_prob(self, x):
        inside = tf.reduce_all(are_counts(x), axis=-1)
        inside &= tf.equal(tf.reduce_sum(x, axis=-1), tf.cast(self._trials, x.dtype))
        safe = tf.cast(self._trials, x.dtype) * tf.one_hot(0, x.shape[-1], dtype=x.dtype)
        return zero_outside(inside, x, safe, super()._log_prob)

    def _sample_n(self, n, seed=None):
        logits = self.logits
        size = logits.shape[-1]
        flat = tf.reshape(logits, [-1, size])
        trials = tf.random.stateless_categorical(
            flat, n * self._trials, tfp.random.sanitize_seed(seed)
        )
        trials = tf.reshape(trials, [-1, n, self._trials])
        counts = tf.reduce_sum(tf.one_hot(trials, size, dtype=self.dtype), axis=-2)
        shape = tf.concat([[n], tf.shape(logits)], axis=0)
        return tf.reshape(tf.transpose(counts, [1, 0, 2]), shape)


@keras.saving.register_keras_serializable(package="tfvae")
class Multinomial(DistributionLayer):
    """Counts of d kinds with a known total N: p(x) = N! Π_k π_k^{x_k} / x_k!, π = softmax(l).

    For words of a text or purchases of a user, cut or drawn to N each. Counts without a common
    total are for `IndependentPoisson` or `IndependentNegativeBinomial`.

    Args:
        event_size: Number of kinds d.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        total_count: N, the sum of each example's counts.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = Multinomial(4, total_count=8)
        >>> layer(tf.zeros([5, layer.params_size])).mean().numpy()[0].tolist()
        [2.0, 2.0, 2.0, 2.0]

    References:
        Liang, Krishnan, Hoffman, Jebara, "Variational Autoencoders for Collaborative Filtering",
        2018, Eq. 2.
    """

    event_argument = "event_size"
    values = "levels"

    def __init__(
        self,
        event_size: int,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        total_count: Count = 1,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_size, convert_to_tensor_fn, validate_args, **kwargs)
        if len(self.event_shape) != 1:
            raise UserError(f"event_size takes an integer above 0, got {event_size!r}")
        self.total_count = count_of("total_count", total_count)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the multinomials of `[*batch, params_size]` logits."""
        return CountsMultinomial(
            self.total_count, self.flat(params), validate_args=self.validate_args
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "total_count": self.total_count}
