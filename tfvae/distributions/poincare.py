"""The Poincaré ball, and the normal distribution of a tangent space wrapped onto it."""

from __future__ import annotations

import math

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.outside import zero_outside

tfd = tfp.distributions

__all__ = ["WrappedNormalOnBall", "from_origin", "mobius_add", "to_origin"]

EDGE = 1e-5  # of the radius: points stay that far inside, where float32 tells them from the edge
TINY = 1e-30


def _dot(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(x * y, axis=-1, keepdims=True)


def _norm(x: tf.Tensor) -> tf.Tensor:
    """|x|, `[..., 1]`, with a gradient of zero at zero."""
    return tf.sqrt(_dot(x, x) + TINY)


def mobius_add(x: tf.Tensor, y: tf.Tensor, curvature: float) -> tf.Tensor:
    """Möbius addition x ⊕ y on the ball of radius 1/√c, `[..., d]`.

    ((1 + 2c⟨x, y⟩ + c|y|²) x + (1 − c|x|²) y) / (1 + 2c⟨x, y⟩ + c²|x|²|y|²)

    References:
        Ganea, Bécigneul, Hofmann, "Hyperbolic Neural Networks", 2018, Eq. 3.
    """
    c, xy, xx, yy = curvature, _dot(x, y), _dot(x, x), _dot(y, y)
    return ((1 + 2 * c * xy + c * yy) * x + (1 - c * xx) * y) / (1 + 2 * c * xy + c * c * xx * yy)


def from_origin(v: tf.Tensor, curvature: float) -> tf.Tensor:
    """The point at the distance |v| from the origin in the direction of v, `[..., d]`.

    It is the exponential map at the origin, of a tangent vector in an orthonormal frame, which is
    v/2 in the coordinates of the ball: tanh(√c|v|/2) v / (√c|v|).
    """
    root, length = math.sqrt(curvature), _norm(v)
    return tf.minimum(tf.tanh(0.5 * root * length), 1 - EDGE) * v / (root * length)


def to_origin(z: tf.Tensor, curvature: float) -> tf.Tensor:
    """The inverse of `from_origin`: the logarithmic map at the origin, `[..., d]`."""
    root, length = math.sqrt(curvature), _norm(z)
    return 2 * tf.atanh(tf.minimum(root * length, 1 - 0.5 * EDGE)) * z / (root * length)


def _log_sinhc(t: tf.Tensor) -> tf.Tensor:
    """The logarithm of sinh(t)/t, for t from 0; of small ones by its series."""
    small = t < 0.5
    low, high = tf.where(small, t, 0.0), tf.where(small, 1.0, t)
    square = tf.square(low)
    series = square * (1 / 6 - square * (1 / 180 - square / 2835))
    exact = high + tf.math.log(-tf.math.expm1(-2 * high)) - tf.math.log(2 * high)
    return tf.where(small, series, exact)


class WrappedNormalOnBall(tfd.Distribution):
    """z = exp_μ(v/λ_μ) with v ~ N(0, diag σ²): a density on the ball, in its own coordinates.

    With λ_z = 2/(1 − c|z|²) and r = |v|, the geodesic distance of z and μ,

    log p(z) = log N(v; 0, σ²) − (d − 1) log(sinh(√c r)/(√c r)) + d log λ_z,

    which integrates to 1 over dz. Without the last term it is the density for the ball's own
    volume, which is the same difference in two densities: KLs and bounds do not see it.

    A draw remembers its v, so that its density does not suffer from the rounding of z at the edge.

    Args:
        loc: μ, on the ball, `[*batch, d]`.
        scale: σ above 0, of the same shape.
        curvature: c above 0; the ball has the curvature −c and the radius 1/√c.
        validate_args: Whether tfp checks values at run time.
        name: Name of the distribution.

    Example:
        >>> p = WrappedNormalOnBall(tf.zeros([5, 2]), tf.ones([5, 2]))
        >>> p.log_prob(p.sample(3)).shape
        TensorShape([3, 5])

    References:
        Nagano et al., "A Wrapped Normal Distribution on Hyperbolic Space for Gradient-Based
        Learning", 2019, Section 3.
        Mathieu et al., "Continuous Hierarchical Representations with Poincaré Variational
        Auto-Encoders", 2019, Section 3.2 and Appendix B.
    """

    def __init__(
        self,
        loc: tf.Tensor,
        scale: tf.Tensor,
        curvature: float = 1.0,
        validate_args: bool = False,
        name: str = "WrappedNormalOnBall",
    ):
        parameters = dict(locals())
        self._loc = tf.convert_to_tensor(loc)
        self._scale = tf.convert_to_tensor(scale, self._loc.dtype) + tf.zeros_like(self._loc)
        self._curvature = float(curvature)
        self._drawn: tuple[tf.Tensor, tf.Tensor] | None = None
        super().__init__(
            dtype=self._loc.dtype,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @property
    def loc(self) -> tf.Tensor:
        """μ, the point that the distribution is centred on."""
        return self._loc

    @property
    def radius(self) -> float:
        """The radius of the ball, 1/√c."""
        return 1 / math.sqrt(self._curvature)

    def _batch_shape(self):
        return self._loc.shape[:-1]

    def _batch_shape_tensor(self):
        return tf.shape(self._loc)[:-1]

    def _event_shape(self):
        return self._loc.shape[-1:]

    def _event_shape_tensor(self):
        return tf.shape(self._loc)[-1:]

    def wrapped(self, v: tf.Tensor) -> tf.Tensor:
        """The point z of a tangent vector v at μ, in an orthonormal frame: exp_μ(v/λ_μ)."""
        z = mobius_add(self._loc, from_origin(v, self._curvature), self._curvature)
        return z * tf.minimum(1.0, (1 - EDGE) * self.radius / _norm(z))

    def unwrapped(self, z: tf.Tensor) -> tf.Tensor:
        """The tangent vector v of a point z."""
        return to_origin(mobius_add(-self._loc, z, self._curvature), self._curvature)

    def at_temperature(self, temperature: float) -> WrappedNormalOnBall:
        """The distribution with its scale multiplied by a number, see `tempered`."""
        return WrappedNormalOnBall(self._loc, self._scale * temperature, self._curvature)

    def _sample_n(self, n, seed=None):
        noise = tfd.Normal(tf.zeros_like(self._scale), self._scale)
        v = noise.sample(n, seed=seed)
        z = self.wrapped(v)
        self._drawn = (z, v)
        return z

    def _density(self, v: tf.Tensor) -> tf.Tensor:
        """The log density at the point of v."""
        c, size = self._curvature, self._loc.shape[-1]
        normal = tf.reduce_sum(tfd.Normal(0.0, self._scale).log_prob(v), axis=-1)
        distance = math.sqrt(c) * _norm(v)
        y = from_origin(v, c)
        overlap, here, there = _dot(self._loc, y), _dot(self._loc, self._loc), _dot(y, y)
        # 1 − c|z|² of z = μ ⊕ y is (1 − c|μ|²)(1 − c|y|²) over the denominator of ⊕, and
        # 1 − c|y|² is 1/cosh², without a difference of nearly equal numbers.
        log_cosh = 0.5 * distance + tf.math.softplus(-distance) - math.log(2.0)
        below = 1 + 2 * c * overlap + c * c * here * there
        log_lambda = math.log(2.0) - tf.math.log1p(-c * here) + 2 * log_cosh + tf.math.log(below)
        volume = size * log_lambda - (size - 1) * _log_sinhc(distance)
        return normal + tf.squeeze(volume, axis=-1)

    def _log_prob(self, z):
        if self._drawn is not None and self._drawn[0] is z:
            return self._density(self._drawn[1])
        z = z + tf.zeros_like(self._loc)
        inside = tf.squeeze(_norm(z) < self.radius, axis=-1)
        safe = self._loc + tf.zeros_like(z)
        return zero_outside(inside, z, safe, lambda z: self._density(self.unwrapped(z)))
