"""Normals with one scale for all, at its optimum: the sigma-VAE's likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import all_replicas_sum
from tfvae.distributions.coercible import TensorDistribution
from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer, min_scale_of
from tfvae.options.bounds import Momentum, Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["OptimalScaleNormal"]


class _OptimalNormal(tfd.Normal):
    """Normals whose σ² is the mean squared error of the batch that the density is asked of.

    Args:
        loc: μ, `[*batch, *event]`.
        layer: Tells of the smallest scale, and keeps what is found.
        validate_args: Whether tfp checks values at run time.
        name: Name of the distribution.
    """

    def __init__(self, loc, layer, validate_args=False, name="OptimalNormal"):
        parameters = dict(locals())
        self._layer = layer
        super().__init__(loc, layer.moving_scale(), validate_args=validate_args, name=name)
        self._parameters = parameters

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {"loc": tfp.util.ParameterProperties()}

    def _log_prob(self, x):
        square = tf.math.squared_difference(x, self.loc)
        total = all_replicas_sum(tf.stop_gradient(tf.reduce_sum(square)))
        count = all_replicas_sum(tf.cast(tf.size(square), square.dtype))
        variance = self._layer.keep(total / tf.maximum(count, 1.0))
        return -0.5 * (square / variance + tf.math.log(2 * math.pi * variance))


@keras.saving.register_keras_serializable(package="tfvae")
class OptimalScaleNormal(DistributionLayer):
    """Independent normals of one σ, the optimal one: σ² = mean over batch and elements of (x − μ)².

    The variance that maximises the likelihood is the mean squared error, so that nothing is left
    to tune: a batch's −log p(x) is D/2 log(2πe MSE) in the mean. Its gradient in μ is that at
    a fixed σ, as the derivative in σ is 0 at the optimum.

    As in batch normalization, training takes σ of the batch, of all replicas together, and keeps
    a moving mean of log σ²; without training σ is that, a number, and the density a density. The
    layer takes μ alone.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        momentum: How much of the moving mean stays at each step.
        min_scale: The smallest σ: the density is unbounded as σ → 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = OptimalScaleNormal(2)
        >>> p, data = layer(tf.zeros([2, 2]), training=True), tf.fill([2, 2], 0.5)
        >>> log_prob = p.log_prob(data)  # D/2 log(2πe MSE) = log(2πe 0.25)
        >>> bool(np.allclose(-log_prob, np.log(2 * np.pi * np.e * 0.25)))
        True

    References:
        Rybkin, Daniilidis, Levine, "Simple and Effective VAE Training with Calibrated Decoders",
        2021, Eq. 6-7.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        momentum: Momentum = 0.95,
        min_scale: Positive = 1e-3,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        if not 0 <= momentum < 1:
            raise UserError(f"momentum takes a number from 0 below 1, got {momentum!r}")
        self.momentum = momentum
        self.min_scale = min_scale_of(min_scale)

    def build(self, input_shape):
        """Makes the moving mean, of σ = 1 at the start."""
        super().build(input_shape)
        self.log_variance = self.add_weight(
            shape=(),
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
            name="log_variance",
        )

    def moving_scale(self) -> tf.Tensor:
        """σ without training."""
        return tf.exp(0.5 * tf.convert_to_tensor(self.log_variance))

    def keep(self, variance: tf.Tensor) -> tf.Tensor:
        """Moves the mean towards a batch's variance, and returns that, no smaller than allowed."""
        variance = tf.maximum(variance, self.min_scale**2)
        mean = tf.convert_to_tensor(self.log_variance)
        step = (1 - self.momentum) * (tf.math.log(variance) - mean)
        # A batch without finite numbers is the step's to refuse: it leaves no trace here.
        self.log_variance.assign(mean + tf.where(tf.math.is_finite(step), step, 0.0))
        return variance

    def call(self, params: tf.Tensor, training: bool | None = None) -> TensorDistribution:
        """Returns the distribution, of the batch's σ in training."""
        if not training:
            return super().call(params)
        params = tf.cast(tf.convert_to_tensor(params), self.variable_dtype)
        (loc,) = self.split(params)
        normal = _OptimalNormal(loc, self, validate_args=self.validate_args)
        return self.wrap(self.independent(normal))

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the normals of `[*batch, params_size]` means and the moving σ."""
        (loc,) = self.split(params)
        normal = tfd.Normal(loc, self.moving_scale(), validate_args=self.validate_args)
        return self.independent(normal)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "min_scale": self.min_scale,
        }
