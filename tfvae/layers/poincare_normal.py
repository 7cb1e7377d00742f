"""The wrapped normal on the Poincaré ball."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.poincare import WrappedNormalOnBall, from_origin
from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer, min_scale_of, positive
from tfvae.options.bounds import Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["PoincareNormal"]


@keras.saving.register_keras_serializable(package="tfvae")
class PoincareNormal(DistributionLayer):
    """Wrapped normals on the Poincaré ball: trees embed in it with little distortion.

    z = exp_μ(v/λ_μ), v ~ N(0, diag σ²) in the tangent space at μ, on the ball |z| < 1/√c of the
    curvature −c, see `tfvae.distributions.poincare.WrappedNormalOnBall` for the density.

    The first d parameters are a tangent vector at the origin, of which μ is the point at its
    length's distance; the others are the raw σ = softplus(raw) + min_scale. The prior is on the
    same ball: `tfvae.priors.WrappedNormal(curvature=c)`.

    Args:
        event_size: Number of dimensions d.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        curvature: c above 0.
        min_scale: The smallest σ: the density is unbounded as it goes to 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If the curvature is not above 0.

    Example:
        >>> layer = PoincareNormal(2)
        >>> q = layer(tf.zeros([5, layer.params_size]))
        >>> bool(tf.reduce_all(tf.norm(q.sample(100), axis=-1) < 1))
        True

    References:
        Mathieu et al., "Continuous Hierarchical Representations with Poincaré Variational
        Auto-Encoders", 2019, Section 3.2.
        Nagano et al., "A Wrapped Normal Distribution on Hyperbolic Space for Gradient-Based
        Learning", 2019, Section 3.
    """

    event_argument = "event_size"
    roles = ("posterior",)
    params_per_element = 2

    def __init__(
        self,
        event_size: int,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        curvature: Positive = 1.0,
        min_scale: Positive = 1e-3,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_size, convert_to_tensor_fn, validate_args, **kwargs)
        if len(self.event_shape) != 1:
            raise UserError(f"event_size takes an integer above 0, got {event_size!r}")
        if not curvature > 0:
            raise UserError(f"curvature takes c above 0 of a curvature -c, got {curvature!r}")
        self.curvature, self.min_scale = float(curvature), min_scale_of(min_scale)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the distributions of `[*batch, params_size]` parameters."""
        tangent, raw = self.split(self.flat(params))
        return WrappedNormalOnBall(
            from_origin(tangent, self.curvature),
            positive(raw, self.min_scale),
            self.curvature,
            validate_args=self.validate_args,
            name="PoincareNormal",
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "curvature": self.curvature, "min_scale": self.min_scale}
