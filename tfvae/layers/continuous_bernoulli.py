"""Continuous Bernoulli distributions for grey values in [0, 1]."""

from __future__ import annotations

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.outside import zero_outside
from tfvae.layers.base import DistributionLayer

tfd = tfp.distributions

__all__ = ["ContinuousBernoulli", "IndependentContinuousBernoulli"]

_SMALL = 0.02  # |λ| below which a series is more exact than the formula, in float32


class ContinuousBernoulli(tfd.ContinuousBernoulli):
    """The continuous Bernoulli, p(x) = C(λ) e^{λx} / (1 + e^λ), exact around λ = 0 too.

    With h = λ/2 the density is exp(λ(x − ½) − log(sinh(h)/h)). tfp's class has the right density,
    but at λ = 0 a second derivative that is three times too large, gradients of samples that are
    zero at λ = 0 and wrong near it, and NaN as the gradient of the variance for large |λ|.

    Args:
        logits: λ = log π / (1 − π), any shape.
        validate_args: Whether tfp checks values at run time.
        name: Name of the distribution.
    """

    def __init__(self, logits, validate_args=False, name="ContinuousBernoulli"):
        parameters = dict(locals())
        logits = tf.convert_to_tensor(logits)
        super().__init__(logits=logits, dtype=logits.dtype, validate_args=validate_args, name=name)
        self._parameters = parameters

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {"logits": tfp.util.ParameterProperties()}

    def _log_prob(self, event):
        return zero_outside((event >= 0) & (event <= 1), event, 0.5, self._log_density)

    def _log_density(self, event):
        logits = self.logits
        h = tf.abs(logits) / 2
        big = h > _SMALL
        safe = tf.where(big, h, 1.0)
        square = tf.square(logits / 2)  # of λ itself: |λ| has no slope at 0
        log_sinhc = tf.where(
            big,
            safe + tf.math.log(-tf.math.expm1(-2 * safe) / (2 * safe)),
            square / 6 - square * square / 180,
        )
        return logits * (event - 0.5) - log_sinhc

    def _variance(self):
        # ¼ (1/h² − 1/sinh²h): the second derivative of log(sinh(h)/h) in λ.
        h = tf.abs(self.logits) / 2
        big = h > 0.25
        safe = tf.where(big, h, 1.0)
        square = tf.where(big, 0.0, h * h)
        # 1 / sinh²h = 4 e^{−2h} / (1 − e^{−2h})²
        decay = tf.exp(-2 * safe)
        return tf.where(
            big,
            0.25 / tf.square(safe) - decay / tf.square(tf.math.expm1(-2 * safe)),
            1 / 12 - square / 60 + square**2 / 378 - square**3 / 2700,
        )

    def _quantile(self, p, logits=None):
        # With t = −|λ| nothing overflows; the distribution of λ is that of −λ seen from 1.
        logits = self.logits if logits is None else logits
        t = -tf.abs(logits)
        v = tf.minimum(tf.where(logits > 0, 1 - p, p), 1 - 6e-8)
        big = t < -_SMALL
        safe = tf.where(big, t, -1.0)
        q = tf.clip_by_value(tf.math.log1p(tf.math.expm1(safe) * v) / safe, 0.0, 1.0)
        series = 1 + logits * (1 - p) / 2 + tf.square(logits) * (1 - p) * (1 - 2 * p) / 6
        return tf.where(big, tf.where(logits > 0, 1 - q, q), p * series)


@keras.saving.register_keras_serializable(package="tfvae")
class IndependentContinuousBernoulli(DistributionLayer):
    """Independent continuous Bernoullis: p(x) = Π_j C(λ_j) π_j^x_j (1 − π_j)^(1 − x_j).

    For grey values: the proper density on [0, 1] that binary cross-entropy on grey values is
    not. C(λ) = 2 artanh(1 − 2π) / (1 − 2π) makes it integrate to 1. The parameters are logits.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = IndependentContinuousBernoulli((28, 28, 1))
        >>> p = layer(tf.zeros([5, layer.params_size]))  # uniform on [0, 1]
        >>> p.mean().shape
        TensorShape([5, 28, 28, 1])

    References:
        Loaiza-Ganem, Cunningham, "The continuous Bernoulli: fixing a pervasive error in
        variational autoencoders", 2019, equations 4 and 8.
    """

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the continuous Bernoullis of `[*batch, params_size]` logits."""
        (logits,) = self.split(params)
        return self.independent(ContinuousBernoulli(logits, validate_args=self.validate_args))
