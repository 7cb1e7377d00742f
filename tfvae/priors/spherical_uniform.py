"""The uniform prior on the sphere."""

from __future__ import annotations

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers.tangent import on_the_sphere
from tfvae.priors.base import Prior

tfd = tfp.distributions

__all__ = ["SphericalUniform"]


class _OnTheSphere(tfd.SphericalUniform):
    """tfp's uniform distribution on the sphere, with a density of 0 off it, where tfp's goes on.

    Args:
        dimension: d of the space around the sphere.
        batch_shape: As in tfp.
        dtype: Data type of the points.
        validate_args: Whether tfp checks values at run time.
        allow_nan_stats: As in tfp.
        name: Name of the distribution.
    """

    def _log_prob(self, x):
        pole = tf.one_hot(0, self.dimension, dtype=self.dtype)
        return on_the_sphere(x, pole, super()._log_prob)


@keras.saving.register_keras_serializable(package="tfvae")
class SphericalUniform(Prior):
    """p(z) = Γ(d/2) / (2 π^{d/2}) on the unit sphere in d dimensions, and 0 off it.

    The prior of the posteriors on the sphere, `VonMisesFisher` and `PowerSpherical`, whose KL to it
    is exact. No direction is preferred, and the KL does not draw the posteriors to a centre.

    Args:
        event_shape: Shape of z, `(d,)`; None: learned from the posterior.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> prior = SphericalUniform(3)
        >>> round(float(prior().log_prob([0.0, 0.0, 1.0])), 4)  # −log 4π
        -2.531

    References:
        Davidson et al., "Hyperspherical Variational Auto-Encoders", 2018, Section 3.2.
    """

    def build(self, event_shape=None, data_shape=None):
        """Checks that z is a vector of two elements or more."""
        super().build(event_shape, data_shape)
        if len(self.event_shape) != 1 or self.event_shape[0] < 2:
            raise UserError(
                f"SphericalUniform is a prior of vectors of 2 elements or more, and z has the "
                f"shape {self.event_shape}: take another latent_dim, or another prior"
            )

    def call(self, context=None) -> tfd.Distribution:
        """Makes the distribution; a context does not change it."""
        return _OnTheSphere(self.event_shape[0], dtype=tf.as_dtype(self.variable_dtype))
