"""Parts of trunks: layers in a row, sizes of grids that halve, the way to the coarsest grid."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["Chain", "ToGrid", "grids"]


def grids(size: Sequence[int], stages: int) -> list[tuple[int, int]]:
    """Sizes of a grid that is halved so many times, as strided convolutions halve it.

    Args:
        size: `(height, width)`.
        stages: How many times.

    Returns:
        `stages + 1` sizes, the coarsest first.

    Example:
        >>> grids((28, 21), 2)
        [(7, 6), (14, 11), (28, 21)]
    """
    return [tuple(-(-n // 2**k) for n in size) for k in range(stages, -1, -1)]


class Chain(keras.layers.Layer):
    """Layers one after the other; a subclass sets `stack`, the list of them."""

    def build(self, input_shape):
        """Makes the weights for inputs `[batch, *shape]`."""
        for layer in self.stack:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, x):
        """Maps `[batch, *shape]` through all layers."""
        for layer in self.stack:
            x = layer(x)
        return x

    def compute_output_shape(self, input_shape):
        """Shape behind the last layer."""
        for layer in self.stack:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape


class ToGrid(keras.layers.Layer):
    """A linear map from a tensor of any shape to `[batch, height, width, filters]`.

    What lies on that grid already is mapped in place, position by position; all else is
    flattened.

    Args:
        grid: `(height, width)`.
        filters: Channels of the output.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, grid: tuple[int, int], filters: int, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        self.output_size = (*grid, filters)
        self.flatten = keras.layers.Flatten(dtype=self.dtype_policy)

    def build(self, input_shape):
        """Makes the weights for inputs `[batch, *shape]`."""
        height, width, filters = self.output_size
        self.in_place = tuple(input_shape[1:-1]) == (height, width)
        if not self.in_place:
            filters *= height * width
            input_shape = self.flatten.compute_output_shape(input_shape)
        self.dense = keras.layers.Dense(filters, dtype=self.dtype_policy)
        self.dense.build(input_shape)

    def call(self, x):
        """Maps `[batch, *shape]` to `[batch, height, width, filters]`."""
        x = self.dense(x if self.in_place else self.flatten(x))
        return tf.reshape(x, [-1, *self.output_size])

    def compute_output_shape(self, input_shape):
        """Shape of the grid."""
        return (input_shape[0], *self.output_size)
