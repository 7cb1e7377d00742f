"""A von Mises-Fisher distribution whose samples carry gradients to its concentration."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers.tangent import around, on_the_sphere

tfd = tfp.distributions

__all__ = ["ReparameterizedVonMisesFisher"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def _ratio(concentration: tf.Tensor, dim: int) -> tf.Tensor:
    """A(κ) = I_{d/2}(κ) / I_{d/2 − 1}(κ), the length of the mean."""
    return tfp.math.bessel_iv_ratio(tf.constant(dim / 2, concentration.dtype), concentration)


def _slope(t: tf.Tensor, concentration: tf.Tensor, dim: int) -> tf.Tensor:
    """∂t/∂κ at fixed P(T ≤ t), for the cosine t = μᵀx = cos θ.

    By the implicit function theorem it is −∂F/∂κ / p(t), which is
    sin θ ∫_0^θ (cos φ − A(κ)) e^{κ (cos φ − cos θ)} (sin φ / sin θ)^{d − 2} dφ.
    """
    t = tf.clip_by_value(t, -1 + 1e-6, 1 - 1e-6)[..., tf.newaxis]
    kappa = concentration[..., tf.newaxis]
    theta = tf.acos(t)
    nodes = tf.constant((_NODES + 1) / 2, t.dtype)
    weights = tf.constant(_WEIGHTS / 2, t.dtype)
    phi = theta * nodes
    gap = 2 * tf.sin((theta + phi) / 2) * tf.sin((theta - phi) / 2)  # cos φ − cos θ
    log_ratio = tf.math.log(tf.sin(phi)) - tf.math.log(tf.sin(theta))
    density = tf.exp(kappa * gap + (dim - 2) * log_ratio)
    excess = gap + (t - _ratio(kappa, dim))
    return tf.squeeze(tf.sin(theta) * theta, -1) * tf.reduce_sum(
        weights * excess * density, axis=-1
    )


def _reparameterized(t: tf.Tensor, concentration: tf.Tensor, dim: int) -> tf.Tensor:
    """The samples t, with the gradient of `_slope` to κ."""

    @tf.custom_gradient
    def attach(t, concentration):
        def gradient(upstream):
            return None, upstream * _slope(t, concentration, dim)

        return tf.identity(t), gradient

    return attach(tf.stop_gradient(t), concentration)


class ReparameterizedVonMisesFisher(tfd.VonMisesFisher):
    """The von Mises-Fisher distribution, fully reparameterized in every dimension.

    tfp's class draws by rejection, and outside of three dimensions lets no gradient through to
    the concentration; its gradient to a direction near the first axis is without bound, and zero
    at it. Here the draw is tfp's, the gradient of the cosine to κ is the implicit one, and draws
    turn along with μ.

    Args:
        mean_direction: Unit vectors μ, `[*batch, d]`.
        concentration: κ above 0, `[*batch]`.
        validate_args: Whether tfp checks values at run time.
        allow_nan_stats: As in tfp.
        name: Name of the distribution.

    References:
        Figurnov, Mohamed, Mnih, "Implicit Reparameterization Gradients", 2018, equation 5.
    """

    def __init__(
        self,
        mean_direction,
        concentration,
        validate_args=False,
        allow_nan_stats=True,
        name="VonMisesFisher",
    ):
        parameters = dict(locals())
        super().__init__(mean_direction, concentration, validate_args, allow_nan_stats, name)
        self._reparameterization_type = tfd.FULLY_REPARAMETERIZED
        self._parameters = parameters

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return super()._parameter_properties(dtype, num_classes)

    def _log_prob(self, x):
        return on_the_sphere(x, self.mean_direction, super()._log_prob)

    def _sample_n(self, n, seed=None):
        direction = tf.convert_to_tensor(self.mean_direction)
        dim = direction.shape[-1]
        concentration = tf.broadcast_to(self.concentration, self.batch_shape_tensor())
        # Drawn around the first axis, where tfp turns nothing.
        first = tf.one_hot(0, dim, dtype=self.dtype)
        still = tfd.VonMisesFisher(first, tf.stop_gradient(concentration))
        cosine, across = tf.split(
            tf.stop_gradient(still.sample(n, seed=seed)), [1, dim - 1], axis=-1
        )
        cosine = tf.squeeze(cosine, axis=-1)
        concentration = tf.broadcast_to(concentration, tf.shape(cosine))
        cosine = _reparameterized(cosine, concentration, dim)
        sine = tf.sqrt(tf.maximum(1 - tf.square(cosine), 1e-12))
        return around(direction, cosine, sine, tf.math.l2_normalize(across, axis=-1))
