"""From the Poincaré ball to its flat tangent space, in front of a decoder of any kind."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.distributions.poincare import to_origin
from tfvae.errors import UserError
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["TangentMap"]


@keras.saving.register_keras_serializable(package="tfvae")
class TangentMap(keras.layers.Layer):
    """The logarithmic map at the origin: z to the vector whose length is z's geodesic distance.

    v = 2 artanh(√c|z|) z / (√c|z|)

    Args:
        size: Elements of z, the first ones of the input; what follows them, such as the vector of
            a context, is passed on. None: all are z.
        curvature: c above 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If the curvature is not above 0.

    Example:
        >>> TangentMap()(tf.constant([[0.0, 0.5]])).numpy().round(4)
        array([[0.    , 1.0986]], dtype=float32)

    References:
        Ganea, Bécigneul, Hofmann, "Hyperbolic Neural Networks", 2018, Eq. 13.
    """

    def __init__(
        self, size: int | None = None, *, curvature: float = 1.0, **kwargs: Unpack[LayerOptions]
    ):
        # In 16 bits the edge of the ball is not to be told from its inside.
        super().__init__(**{"autocast": False, **kwargs})
        if size is not None and (size != int(size) or size < 1):
            raise UserError(f"size takes an integer from 1, or None, got {size!r}")
        if not curvature > 0:
            raise UserError(f"curvature takes c above 0 of a curvature -c, got {curvature!r}")
        self.size, self.curvature = None if size is None else int(size), float(curvature)

    def call(self, z: tf.Tensor) -> tf.Tensor:
        """The tangent vectors, `[*batch, d]`, and what follows z in the input."""
        size = z.shape[-1] if self.size is None else self.size
        z = tf.cast(z, self.variable_dtype)
        z, rest = tf.split(z, [size, z.shape[-1] - size], axis=-1)
        tangent = to_origin(z, self.curvature)
        return tf.cast(tf.concat([tangent, rest], axis=-1), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """That of the input."""
        return input_shape

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "size": self.size, "curvature": self.curvature}
