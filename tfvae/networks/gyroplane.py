"""The first layer of a decoder whose z lies on the Poincaré ball."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from tfvae.distributions.poincare import from_origin, mobius_add
from tfvae.errors import UserError
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["Gyroplane"]


@keras.saving.register_keras_serializable(package="tfvae")
class Gyroplane(keras.layers.Layer):
    """Signed distances of z from geodesic hyperplanes, what a dense layer is on a flat space.

    f_k(z) = λ_{p_k} |a_k| / √c · asinh(2√c ⟨−p_k ⊕ z, a_k⟩ / ((1 − c|−p_k ⊕ z|²) |a_k|)),

    with a point p_k on the hyperplane and a direction a_k for each of the units; on the way to
    c = 0 it is 4⟨z − p_k, a_k⟩.

    Args:
        units: Number of hyperplanes.
        size: Elements of z, the first ones of the input; what follows them, such as the vector of
            a context, is passed on behind the distances. None: all are z.
        curvature: c above 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If the curvature is not above 0, or the input has fewer elements.

    Example:
        >>> Gyroplane(100)(tf.zeros([4, 2])).shape
        TensorShape([4, 100])

    References:
        Ganea, Bécigneul, Hofmann, "Hyperbolic Neural Networks", 2018, Eq. 25.
        Mathieu et al., "Continuous Hierarchical Representations with Poincaré Variational
        Auto-Encoders", 2019, Eq. 7 (the decoder's first layer).
    """

    def __init__(
        self,
        units: int,
        size: int | None = None,
        *,
        curvature: float = 1.0,
        **kwargs: Unpack[LayerOptions],
    ):
        # In 16 bits the edge of the ball is not to be told from its inside.
        super().__init__(**{"autocast": False, **kwargs})
        for name, value in [("units", units), ("size", 1 if size is None else size)]:
            if value != int(value) or value < 1:
                raise UserError(f"{name} takes an integer from 1, got {value!r}")
        if not curvature > 0:
            raise UserError(f"curvature takes c above 0 of a curvature -c, got {curvature!r}")
        self.units, self.size = int(units), None if size is None else int(size)
        self.curvature = float(curvature)

    def build(self, input_shape):
        """Makes a point and a direction for each hyperplane."""
        elements = input_shape[-1] if self.size is None else self.size
        if elements > input_shape[-1]:
            raise UserError(f"{self.name} takes z of {elements} elements, got {input_shape[-1]}")
        shape, start = (self.units, elements), keras.initializers.GlorotUniform()
        self.tangents, self.directions = (
            self.add_weight(shape=shape, initializer=start, name=name, autocast=False)
            for name in ("tangents", "directions")
        )

    def call(self, z: tf.Tensor) -> tf.Tensor:
        """The distances of z, `[*batch, units]`, and what follows z in the input."""
        directions = tf.convert_to_tensor(self.directions)
        elements, c = directions.shape[-1], self.curvature
        z, rest = tf.split(tf.cast(z, directions.dtype), [elements, z.shape[-1] - elements], -1)
        points = from_origin(tf.convert_to_tensor(self.tangents), c)
        moved = mobius_add(-points, z[..., None, :], c)
        length = tf.sqrt(tf.reduce_sum(tf.square(directions), axis=-1) + 1e-12)
        along = tf.reduce_sum(moved * directions, axis=-1)
        height = 1 - c * tf.reduce_sum(tf.square(moved), axis=-1)
        place = 1 - c * tf.reduce_sum(tf.square(points), axis=-1)
        root = math.sqrt(c)
        distance = tf.asinh(2 * root * along / (tf.maximum(height, 1e-6) * length)) / root
        features = tf.concat([2 / place * length * distance, rest], axis=-1)
        return tf.cast(features, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """`[*batch, units]`, and what follows z."""
        size = input_shape[-1] if self.size is None else self.size
        return (*input_shape[:-1], self.units + input_shape[-1] - size)

    def get_config(self) -> dict:
        """Configuration for saving."""
        own = {"units": self.units, "size": self.size, "curvature": self.curvature}
        return {**super().get_config(), **own}
