"""Discretized logistic distributions over integer levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer, positive

tfd = tfp.distributions

__all__ = ["DiscretizedLogistic", "LevelsLogistic", "logistic_log_mass", "logistic_moments"]


def logistic_log_mass(x: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor, levels: int) -> tf.Tensor:
    """Log mass that a logistic puts on the bins of levels; the outer bins are open.

    With a = (upper edge − μ)/s and b = (lower edge − μ)/s,
    σ(a) − σ(b) = σ(a) σ(−b) (1 − e^{b − a}), in which no difference is left to cancel: the
    formula keeps full precision in the farthest tail and for the narrowest bin.

    Args:
        x: Levels 0 .. levels − 1.
        loc: μ, in units where the levels span [−1, 1].
        scale: s, in the same units.
        levels: Number of levels.

    Returns:
        log P(x) in nats, of the broadcast shape.
    """
    # In units of levels x is exact, so neighbouring bins share their edge to the last bit.
    unit = (levels - 1) / 2
    centre = x - (loc + 1) * unit
    inverse = 1 / (scale * unit)
    below_upper = tf.where(x > levels - 1.5, 0.0, tf.math.log_sigmoid((centre + 0.5) * inverse))
    above_lower = tf.where(x < 0.5, 0.0, tf.math.log_sigmoid((0.5 - centre) * inverse))
    inner = (x > 0.5) & (x < levels - 1.5)
    return below_upper + above_lower + tf.where(inner, tf.math.log(-tf.math.expm1(-inverse)), 0.0)


def logistic_moments(loc: tf.Tensor, scale: tf.Tensor, levels: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and variance of a discretized logistic, exact, in levels.

    E X = Σ_k P(X ≥ k) and E X² = Σ_k (2k − 1) P(X ≥ k), k = 1 .. levels − 1. The sums run level by
    level, so that the memory is that of a few tensors and not of `levels`.

    Args:
        loc: μ, in units where the levels span [−1, 1].
        scale: s, in the same units.
        levels: Number of levels.

    Returns:
        The mean, and the variance in squared levels.
    """
    unit = (levels - 1) / 2
    loc, inverse = (loc + 1) * unit, 1 / (scale * unit)
    # Around a level near the mean nothing cancels: X − c = Σ_k ([X ≥ k] − [c ≥ k]).
    centre = tf.stop_gradient(tf.clip_by_value(tf.round(loc), 0.0, levels - 1.0))

    def add(k, first, second):
        sign = tf.where(k > centre, tf.ones_like(loc), -1.0)
        excess = sign * tf.sigmoid(sign * (loc - k + 0.5) * inverse)
        first += excess
        second += (2 * (k - centre) - 1) * excess
        return k + 1, first, second

    zero = tf.zeros_like(loc * inverse)
    _, first, second = tf.while_loop(
        lambda k, *_: k < levels,
        add,
        (tf.ones([], loc.dtype), zero, zero),
        parallel_iterations=1,
        maximum_iterations=levels - 1,
    )
    return centre + first, second - tf.square(first)


class LevelsLogistic(tfd.AutoCompositeTensorDistribution):
    """A logistic whose mass is gathered on the levels 0 .. levels − 1.

    P(k) = F(k + ½) − F(k − ½) with the logistic's F, and with open ends at the outer levels.

    Args:
        loc: μ, in units where the levels span [−1, 1].
        scale: s, in the same units.
        levels: Number of levels.
        validate_args: Whether values are checked at run time.
        allow_nan_stats: As in tfp.
        name: Name of the distribution.
    """

    def __init__(
        self,
        loc,
        scale,
        levels=256,
        validate_args=False,
        allow_nan_stats=True,
        name="LevelsLogistic",
    ):
        parameters = dict(locals())
        with tf.name_scope(name) as name:
            self._loc = tf.convert_to_tensor(loc, name="loc")
            self._scale = tf.convert_to_tensor(scale, dtype=self._loc.dtype, name="scale")
            self._levels = levels
            super().__init__(
                dtype=self._loc.dtype,
                reparameterization_type=tfd.NOT_REPARAMETERIZED,
                validate_args=validate_args,
                allow_nan_stats=allow_nan_stats,
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

    @property
    def loc(self) -> tf.Tensor:
        """μ, in units where the levels span [−1, 1]."""
        return self._loc

    @property
    def scale(self) -> tf.Tensor:
        """The logistic's scale s, in the same units."""
        return self._scale

    @property
    def levels(self) -> int:
        """Number of levels."""
        return self._levels

    def _event_shape(self):
        return tf.TensorShape([])

    def _event_shape_tensor(self):
        return tf.constant([], dtype=tf.int32)

    def _log_prob(self, x):
        return logistic_log_mass(tf.cast(x, self.dtype), self.loc, self.scale, self.levels)

    def _sample_n(self, n, seed=None):
        noise = tfd.Logistic(self.loc, self.scale).sample(n, seed=seed)
        return self._nearest(noise)

    def _nearest(self, y):
        top = self.levels - 1.0
        return tf.clip_by_value(tf.round((y + 1) * (top / 2)), 0.0, top)

    def _mean(self):
        return logistic_moments(self.loc, self.scale, self.levels)[0]

    def _variance(self):
        return logistic_moments(self.loc, self.scale, self.levels)[1]

    def _mode(self):
        # The level nearest to μ, or an outer one, which has all of a tail.
        candidates = [
            self._nearest(self.loc),
            tf.zeros_like(self.loc),
            tf.fill(tf.shape(self.loc), tf.constant(self.levels - 1.0, self.dtype)),
        ]
        best, mode = self._log_prob(candidates[0]), candidates[0]
        for level in candidates[1:]:
            mass = self._log_prob(level)
            mode = tf.where(mass > best, level, mode)
            best = tf.maximum(mass, best)
        return mode

    def _default_event_space_bijector(self):
        return None

    def _sample_control_dependencies(self, x):
        if not self.validate_args:
            return []
        message = f"values have to be the levels 0 .. {self.levels - 1}"
        return [
            tf.debugging.assert_non_negative(x, message=message),
            tf.debugging.assert_less(x, tf.constant(self.levels, x.dtype), message=message),
            tf.debugging.assert_equal(x, tf.round(x), message=message),
        ]


@keras.saving.register_keras_serializable(package="tfvae")
class DiscretizedLogistic(DistributionLayer):
    """Independent discretized logistics: P(x_j = k) = F_j(k + ½) − F_j(k − ½), open at the ends.

    A proper likelihood of 8-bit grey values and colours with two parameters for each: the data
    hold the levels 0 .. levels − 1. The first parameter is μ on [−1, 1], the second gives the
    scale, s = softplus(raw) + min_scale in the same units.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether values are checked at run time.
        levels: Number of levels, 256 by default.
        min_scale: The smallest s; 1e-3 is an eighth of a level of 256.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = DiscretizedLogistic((28, 28, 1))
        >>> p = layer(tf.zeros([5, layer.params_size]))
        >>> p.log_prob(tf.fill([5, 28, 28, 1], 255.0)).shape
        TensorShape([5])

    References:
        Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow", 2016,
        section 5.1. Salimans et al., "PixelCNN++", 2017, equation 2.
    """

    params_per_element = 2

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        levels: int = 256,
        min_scale: float = 1e-3,
        **kwargs,
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        if not (isinstance(levels, int) and levels >= 2):
            raise UserError(f"levels takes an integer above 1, got {levels!r}")
        if not min_scale > 0:
            raise UserError(f"min_scale takes a number above 0, got {min_scale!r}")
        self.levels = levels
        self.min_scale = min_scale

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the discretized logistics of `[*batch, params_size]` parameters."""
        loc, raw = self.split(params)
        return self.independent(
            LevelsLogistic(
                loc,
                positive(raw, self.min_scale),
                levels=self.levels,
                validate_args=self.validate_args,
            )
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "levels": self.levels, "min_scale": self.min_scale}
