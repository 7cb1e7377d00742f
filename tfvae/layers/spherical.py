"""Distributions on the unit sphere, from a direction and a concentration."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer, positive
from tfvae.layers.power_spherical import TurnedPowerSpherical
from tfvae.layers.von_mises_fisher import ReparameterizedVonMisesFisher
from tfvae.options.bounds import Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["PowerSpherical", "VonMisesFisher"]


class _Spherical(DistributionLayer):
    """A distribution around a direction μ: d parameters for it, one for the concentration."""

    distribution: type[tfd.Distribution]
    event_argument = "event_size"
    roles = ("posterior", "likelihood")

    def __init__(
        self,
        event_size: int,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        min_concentration: Positive = 1e-3,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_size, convert_to_tensor_fn, validate_args, **kwargs)
        if len(self.event_shape) != 1 or self.event_shape[0] < 2:
            raise UserError(f"event_size takes an integer above 1, got {event_size!r}")
        if not min_concentration > 0:
            raise UserError(f"min_concentration takes a number above 0, got {min_concentration!r}")
        self.event_size = self.event_shape[0]
        self.min_concentration = min_concentration

    def count_params_size(self) -> int:
        """Number of parameters: d for the direction, 1 for the concentration."""
        return self.event_size + 1

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the distributions of `[*batch, params_size]` parameters."""
        direction, raw = tf.split(self.flat(params), [self.event_size, 1], axis=-1)
        # A zero vector has no direction: the first axis stands for it.
        tiny = tf.reduce_sum(tf.square(direction), axis=-1, keepdims=True) < 1e-12
        axis = tf.one_hot(0, self.event_size, dtype=params.dtype)
        concentration = positive(tf.squeeze(raw, axis=-1), self.min_concentration)
        return self.distribution(
            tf.math.l2_normalize(tf.where(tiny, axis, direction), axis=-1),
            concentration,
            validate_args=self.validate_args,
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "min_concentration": self.min_concentration}


@keras.saving.register_keras_serializable(package="tfvae")
class VonMisesFisher(_Spherical):
    """The von Mises-Fisher distribution on the sphere in d dimensions: p(x) ∝ e^{κ μᵀx}.

    κ = softplus(raw) + min_concentration. Samples carry gradients to μ and κ in every dimension;
    the KL to the uniform distribution, `tfd.SphericalUniform`, is exact.

    Args:
        event_size: Number of dimensions d of the space around the sphere.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        min_concentration: The smallest κ.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = VonMisesFisher(3)
        >>> layer.params_size
        4
        >>> bool(abs(tf.norm(layer(tf.ones([1, 4])).sample()) - 1) < 1e-5)
        True

    References:
        Davidson et al., "Hyperspherical Variational Auto-Encoders", 2018.
    """

    distribution = ReparameterizedVonMisesFisher


@keras.saving.register_keras_serializable(package="tfvae")
class PowerSpherical(_Spherical):
    """The power spherical distribution on the sphere in d dimensions: p(x) ∝ (1 + μᵀx)^κ.

    Close to the von Mises-Fisher, with exact samples without rejection and stable in every
    dimension. κ = softplus(raw) + min_concentration; the KL to `tfd.SphericalUniform` is exact.

    Args:
        event_size: Number of dimensions d of the space around the sphere.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        min_concentration: The smallest κ.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> PowerSpherical(3)(tf.ones([5, 4])).event_shape
        TensorShape([3])

    References:
        De Cao, Aziz, "The Power Spherical distribution", 2020, equations 10 and 15.
    """

    distribution = TurnedPowerSpherical
