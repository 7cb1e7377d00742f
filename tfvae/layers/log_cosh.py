"""Hyperbolic secant distributions, whose negative logarithm is the log-cosh loss."""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers.loc_scale import LocScaleLayer

tfd = tfp.distributions

__all__ = ["HyperbolicSecant", "IndependentLogCosh"]


class HyperbolicSecant(tfd.Distribution):
    """The hyperbolic secant, p(x) = 1 / (π s cosh((x − μ) / s)).

    Args:
        loc: μ, any shape.
        scale: s above 0.
        validate_args: Whether tfp checks values at run time.
        name: Name of the distribution.

    Example:
        >>> round(float(HyperbolicSecant(0.0, 1.0).prob(0.0)), 4)
        0.3183
    """

    def __init__(self, loc, scale, validate_args=False, name="HyperbolicSecant"):
        parameters = dict(locals())
        self._loc = tf.convert_to_tensor(loc)
        self._scale = tf.convert_to_tensor(scale, self._loc.dtype)
        super().__init__(
            dtype=self._loc.dtype,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {
            "loc": tfp.util.ParameterProperties(),
            "scale": tfp.util.ParameterProperties(
                default_constraining_bijector_fn=tfp.bijectors.Softplus
            ),
        }

    def _event_shape(self):
        return tf.TensorShape([])

    def _event_shape_tensor(self):
        return tf.constant([], tf.int32)

    def _log_prob(self, x):
        u = tf.abs((x - self._loc) / self._scale)
        # log cosh u, where cosh overflows too; at 0 the slope is 0, as TensorFlow has that of |u|.
        log_cosh = u + tf.math.softplus(-2 * u) - math.log(2.0)
        return -log_cosh - tf.math.log(self._scale) - math.log(math.pi)

    def _cdf(self, x):
        u = (x - self._loc) / self._scale
        return 2 / math.pi * tf.atan(tf.exp(u))

    def _sample_n(self, n, seed=None):
        shape = tf.concat([[n], self.batch_shape_tensor()], axis=0)
        # The quotient of two normals is a tangent, whose inverse hyperbolic sine is u.
        tiny = float(np.finfo(self.dtype.as_numpy_dtype).eps)
        angle = tf.random.stateless_uniform(
            shape, tfp.random.sanitize_seed(seed), tiny - 0.5, 0.5 - tiny, dtype=self.dtype
        )
        return self._loc + self._scale * tf.asinh(tf.tan(math.pi * angle))

    def _mean(self):
        return self._loc + tf.zeros_like(self._scale)

    def _mode(self):
        return self._mean()

    def _stddev(self):
        return math.pi / 2 * self._scale + tf.zeros_like(self._loc)

    def _variance(self):
        return tf.square(self._stddev())


@keras.saving.register_keras_serializable(package="tfvae")
class IndependentLogCosh(LocScaleLayer):
    """Independent hyperbolic secants, the log-cosh loss made a density: p(x) ∝ Π_j 1 / cosh(t_j).

    −log p(x) = Σ_j log cosh((x_j − μ_j) / s_j) + log(π s_j): a square near μ, an absolute value far
    from it, smooth in between. The paper's loss is the first term alone, times a weight; with
    1 / π s, as ∫ 1 / cosh(t) dt = π, the density integrates to 1.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        scale: `"learned"`: s = softplus(raw) + min_scale for each element and example, from the
            layer before. `"shared"`: one trainable s for all. A number: a fixed s.
        min_scale: The smallest s that is learned: the density is unbounded as s → 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = IndependentLogCosh(2)
        >>> layer(tf.zeros([5, layer.params_size])).event_shape
        TensorShape([2])

    References:
        Chen, Chen, Zhang, "Log Hyperbolic Cosine Loss Improves Variational Auto-Encoder", 2019,
        Section 3.
    """

    def make_elements(self, loc: tf.Tensor, scale: tf.Tensor) -> tfd.Distribution:
        """Makes the distribution of each element."""
        return HyperbolicSecant(loc, scale, validate_args=self.validate_args)
