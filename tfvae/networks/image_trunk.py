"""Bases of the trunks of convolutions: what both kinds share in each direction."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from tfvae.errors import UserError
from tfvae.networks.chain import Chain, ToGrid, grids
from tfvae.options.keywords import LayerOptions, TrunkOptions, Unpack

__all__ = ["DownTrunk", "ImageTrunk", "UpTrunk"]


def integers(name: str, value: Sequence[int]) -> list[int]:
    """Makes a list of positive integers of an argument; a refusal names the argument."""
    if not isinstance(value, Sequence) or not value or not all(int(n) == n > 0 for n in value):
        raise UserError(f"{name} takes positive integers, such as (32, 64), got {value!r}")
    return [int(n) for n in value]


class ImageTrunk(Chain):
    """Base of the trunks made of convolutions.

    Args:
        filters: Channels of each stage.
        kernel_size: Height and width of the kernels.
        activation: Name of a Keras activation, or a registered callable.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        filters: Sequence[int],
        *,
        kernel_size: int = 3,
        activation="relu",
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(**kwargs)
        self.filters = integers("filters", filters)
        self.kernel_size = int(kernel_size)
        self.activation = keras.activations.get(activation)

    def conv(self, filters: int, **kwargs) -> keras.layers.Layer:
        """A convolution of this trunk's kernel size and dtype."""
        return keras.layers.Conv2D(
            filters, self.kernel_size, padding="same", dtype=self.dtype_policy, **kwargs
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "kernel_size": self.kernel_size,
            "activation": keras.activations.serialize(self.activation),
        }


class DownTrunk(ImageTrunk):
    """Base of the trunks that halve the grid at each stage; `units` as in `ConvDown`."""

    def __init__(
        self, filters: Sequence[int], *, units: int | None = None, **kwargs: Unpack[TrunkOptions]
    ):
        super().__init__(filters, **kwargs)
        self.units = units

    def head(self) -> list[keras.layers.Layer]:
        """The layers behind the last stage: a dense one where units are asked for."""
        if self.units is None:
            return []
        return [
            keras.layers.Flatten(dtype=self.dtype_policy),
            keras.layers.Dense(self.units, self.activation, dtype=self.dtype_policy),
        ]

    def build(self, input_shape):
        """Makes the weights for images `[batch, height, width, channels]`."""
        if len(input_shape) != 4:
            raise UserError(
                f"{self.name} takes images [batch, height, width, channels], got an input of "
                f"shape {tuple(input_shape)}: use tfvae.networks.MLP for other data"
            )
        super().build(input_shape)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "units": self.units}


class UpTrunk(ImageTrunk):
    """Base of the trunks that double the grid at each stage up to `size`."""

    def __init__(self, filters: Sequence[int], size: Sequence[int], **kwargs: Unpack[TrunkOptions]):
        super().__init__(filters, **kwargs)
        self.size = integers("size", size)
        if len(self.size) != 2:
            raise UserError(f"size takes (height, width), such as (28, 28), got {size!r}")

    def to_grid(self) -> keras.layers.Layer:
        """The map from z to the coarsest grid."""
        grid = grids(self.size, len(self.filters))[0]
        return ToGrid(grid, self.filters[0], dtype=self.dtype_policy)

    def doubling(self, stage: int) -> list[keras.layers.Layer]:
        """The layers from the grid of a stage to the next one.

        Repeating pixels and convolving leaves no checkerboard as transposed convolutions do
        (Odena, Dumoulin, Olah, 2016); the crop meets sizes that are not even.
        """
        (height, width), (next_height, next_width) = grids(self.size, len(self.filters))[
            stage : stage + 2
        ]
        crop = ((0, 2 * height - next_height), (0, 2 * width - next_width))
        return [
            keras.layers.UpSampling2D(2, dtype=self.dtype_policy),
            keras.layers.Cropping2D(crop, dtype=self.dtype_policy),
        ]

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "size": list(self.size)}
