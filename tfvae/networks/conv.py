"""Convolutional trunks: images to features, and z to features on the images' grid."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from tfvae.networks.image_trunk import DownTrunk, UpTrunk
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["ConvDown", "ConvUp"]


@keras.saving.register_keras_serializable(package="tfvae")
class ConvDown(DownTrunk):
    """Strided convolutions, each of which halves the grid: the trunk of an encoder of images.

    The features stay on the coarsest grid: a head with events on that grid is fed in place, a
    vector head through a dense layer on all of them, which the Encoder puts in.

    Args:
        filters: Channels of each convolution.
        kernel_size: Height and width of the kernels.
        activation: Name of a Keras activation, or a registered callable.
        units: For features `[batch, units]` instead: a dense layer at the end.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> ConvDown([32, 64])(tf.zeros([4, 28, 28, 1])).shape
        TensorShape([4, 7, 7, 64])
    """

    def __init__(
        self,
        filters: Sequence[int] = (32, 64),
        *,
        kernel_size: int = 3,
        activation="relu",
        units: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(
            filters, kernel_size=kernel_size, activation=activation, units=units, **kwargs
        )
        self.stack = [
            *(self.conv(n, strides=2, activation=self.activation) for n in self.filters),
            *self.head(),
        ]


@keras.saving.register_keras_serializable(package="tfvae")
class ConvUp(UpTrunk):
    """The way back: a dense layer to the coarsest grid, then doublings with a convolution each.

    With the filters of a `ConvDown` in reverse it is its mirror: `filters[i]` are the channels
    on the i-th grid, the coarsest first; the full grid has as many as the one before it.

    Args:
        filters: Channels on each grid below the full one.
        size: `(height, width)` of the full grid, of any size.
        kernel_size: Height and width of the kernels.
        activation: Name of a Keras activation, or a registered callable.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> ConvUp([64, 32], (28, 28))(tf.zeros([4, 50])).shape
        TensorShape([4, 28, 28, 32])

    References:
        Odena, Dumoulin, Olah, "Deconvolution and Checkerboard Artifacts", 2016.
    """

    def __init__(
        self,
        filters: Sequence[int],
        size: Sequence[int],
        *,
        kernel_size: int = 3,
        activation="relu",
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(filters, size, kernel_size=kernel_size, activation=activation, **kwargs)
        self.stack = [
            self.to_grid(),
            keras.layers.Activation(self.activation, dtype=self.dtype_policy),
        ]
        for stage, n in enumerate([*self.filters[1:], self.filters[-1]]):
            self.stack += [*self.doubling(stage), self.conv(n, activation=self.activation)]
