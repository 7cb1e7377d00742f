"""Normal distributions with a full covariance."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer, min_scale_of, positive
from tfvae.options.bounds import Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["MultivariateNormalTriL"]


@keras.saving.register_keras_serializable(package="tfvae")
class MultivariateNormalTriL(DistributionLayer):
    """A normal of full covariance: N(x; μ, L Lᵀ), L lower triangular with a positive diagonal.

    The first `event_size` parameters are μ, the rest fill L in the order of
    `tfp.math.fill_triangular`; its diagonal is softplus(raw) + min_scale.

    Args:
        event_size: Number of dimensions d; the layer takes d + d(d + 1)/2 parameters.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        min_scale: The smallest entry of L's diagonal; `tfp.layers` has 1e-5.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = MultivariateNormalTriL(3)
        >>> layer.params_size
        9
        >>> layer(tf.zeros([5, 9])).covariance().shape
        TensorShape([5, 3, 3])
    """

    event_argument = "event_size"
    roles = ("posterior", "likelihood")

    def __init__(
        self,
        event_size: int,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        min_scale: Positive = 1e-3,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_size, convert_to_tensor_fn, validate_args, **kwargs)
        if len(self.event_shape) != 1:
            raise UserError(f"event_size takes an integer above 0, got {event_size!r}")
        self.event_size = self.event_shape[0]
        self.min_scale = min_scale_of(min_scale)

    def count_params_size(self) -> int:
        """Number of parameters: d + d(d + 1)/2."""
        return self.event_size + self.event_size * (self.event_size + 1) // 2

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the normals of `[*batch, params_size]` parameters."""
        params, size = self.flat(params), self.event_size
        # fill_triangular and set_diag, with splits and masks in place of slices and scatters,
        # whose gradients XLA refuses when the size of the batch is dynamic.
        loc, head, tail = tf.split(params, [size, size, self.params_size - 2 * size], axis=-1)
        square = tf.concat([tail, tf.reverse(tf.concat([head, tail], -1), [-1])], axis=-1)
        square = self._reshape(square, params.shape.rank - 1, (size, size))
        eye = tf.eye(size, dtype=params.dtype)
        below = tf.constant(np.tri(size, k=-1), params.dtype)
        return tfd.MultivariateNormalTriL(
            loc,
            square * below + positive(square, self.min_scale) * eye,
            validate_args=self.validate_args,
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "min_scale": self.min_scale}
