"""Bottleneck blocks of convolutions."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.networks.chain import Chain
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["Bottleneck"]


def _kernel(scale: float):
    """Kernels of variance scale/fan_in."""
    return keras.initializers.VarianceScaling(scale, "fan_in") if scale else "zeros"


class Bottleneck(Chain):
    """conv1x1, two convolutions of `kernel_size`, conv1x1: each behind a GELU.

    Args:
        middle: Channels between the convolutions.
        filters: Channels of the output.
        kernel_size: Of the two in the middle; 1 on grids of one or two positions.
        residual: Whether the input is added to the output.
        last_scale: Factor of the last kernel's variance: 1/depth keeps the variance of a sum of
            `depth` residual blocks, 0 starts at zero.
        **kwargs: Arguments of `keras.layers.Layer`.

    References:
        Child, "Very Deep VAEs", 2021, Figure 3 and Section 3.
    """

    def __init__(
        self,
        middle: int,
        filters: int,
        kernel_size: int = 3,
        *,
        residual: bool = False,
        last_scale: float = 1.0,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(**kwargs)
        self.residual = residual
        sizes = [(middle, 1), (middle, kernel_size), (middle, kernel_size), (filters, 1)]
        self.stack = []
        for (n, size), scale in zip(sizes, [1.0, 1.0, 1.0, last_scale], strict=True):
            convolution = keras.layers.Conv2D(
                n, size, padding="same", kernel_initializer=_kernel(scale), dtype=self.dtype_policy
            )
            self.stack += [keras.layers.Activation("gelu", dtype=self.dtype_policy), convolution]

    def call(self, x):
        """Maps `[batch, height, width, channels]` to `[batch, height, width, filters]`."""
        y = super().call(x)
        return tf.cast(x, y.dtype) + y if self.residual else y
