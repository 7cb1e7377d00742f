"""The logistic distribution whose mass is gathered on integer levels."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.outside import are_levels, zero_outside

tfd = tfp.distributions

__all__ = ["LevelsLogistic", "logistic_log_mass", "logistic_moments"]


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
    # x counts levels, exactly, so that neighbouring bins share their edge to the last bit.
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
        x = tf.cast(x, self.dtype)
        return zero_outside(are_levels(x, self.levels), x, 0, self._log_mass)

    def _log_mass(self, x):
        return logistic_log_mass(x, self.loc, self.scale, self.levels)

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
        # The level nearest to μ, or an outer one, which holds a whole tail.
        candidates = [
            self._nearest(self.loc),
            tf.zeros_like(self.loc),
            tf.fill(tf.shape(self.loc), tf.constant(self.levels - 1.0, self.dtype)),
        ]
        best, mode = self._log_mass(candidates[0]), candidates[0]
        for level in candidates[1:]:
            mass = self._log_mass(level)
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
