"""The wrapped normal prior on the Poincaré ball."""

from __future__ import annotations

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.poincare import WrappedNormalOnBall
from tfvae.errors import UserError
from tfvae.options.bounds import Positive
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior

tfd = tfp.distributions

__all__ = ["WrappedNormal"]


@keras.saving.register_keras_serializable(package="tfvae")
class WrappedNormal(Prior):
    """The wrapped normal around the origin of the Poincaré ball, of one fixed scale.

    z = exp_0(v/2), v ~ N(0, σ² I): the distance from the origin is that of a normal vector, on the
    ball |z| < 1/√c of the curvature −c. It is the prior of `tfvae.layers.PoincareNormal`, which has
    to be on the same ball.

    Args:
        event_shape: Shape of z, `(d,)`; None: learned from the posterior.
        curvature: c above 0.
        scale: σ above 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If a number is not above 0; when it is built for anything but vectors.

    Example:
        >>> prior = tfvae.priors.WrappedNormal(2, curvature=0.5)
        >>> prior().log_prob(tf.zeros([4, 2])).shape
        TensorShape([4])

    References:
        Mathieu et al., "Continuous Hierarchical Representations with Poincaré Variational
        Auto-Encoders", 2019, Section 3.2.
    """

    def __init__(
        self,
        event_shape: int | tuple[int, ...] | None = None,
        *,
        curvature: Positive = 1.0,
        scale: Positive = 1.0,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, **kwargs)
        for name, value in [("curvature", curvature), ("scale", scale)]:
            if not value > 0:
                raise UserError(f"{name} takes a number above 0, got {value!r}")
        self.curvature, self.scale = float(curvature), float(scale)

    def build(self, event_shape=None, data_shape=None):
        """Checks that z is a vector."""
        super().build(event_shape, data_shape)
        if len(self.event_shape) != 1:
            raise UserError(
                f"WrappedNormal is a prior of vectors, and z has the shape {self.event_shape}: "
                "take another prior"
            )

    def call(self, context=None) -> tfd.Distribution:
        """Makes the distribution; a context does not change it."""
        zeros = tf.zeros(self.event_shape, self.variable_dtype)
        return WrappedNormalOnBall(zeros, self.scale * tf.ones_like(zeros), self.curvature)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "curvature": self.curvature, "scale": self.scale}
