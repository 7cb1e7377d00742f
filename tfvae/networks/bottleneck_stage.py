"""The stages of a very deep VAE's encoder."""

from __future__ import annotations

import math
import re

import keras

from tfvae.errors import UserError
from tfvae.networks.bottleneck import Bottleneck
from tfvae.networks.chain import Chain
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["BottleneckStage", "bottleneck_stages"]


@keras.saving.register_keras_serializable(package="tfvae")
class BottleneckStage(Chain):
    """The encoder's part on one grid: the way onto the grid, then residual bottleneck blocks.

    Args:
        filters: Channels.
        blocks: Residual blocks on this grid.
        pool: Factor by which the grid of the input is larger: a residual block there, then the
            mean over `pool` x `pool` positions. 1: the stage begins with a 3x3 convolution.
        bottleneck: Channels inside the blocks, as a share of `filters`.
        depth: Residual blocks of the whole encoder, for the scale of the weights at the start.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> BottleneckStage(32, blocks=2)(tf.zeros([4, 28, 28, 1])).shape
        TensorShape([4, 28, 28, 32])

    References:
        Child, "Very Deep VAEs", 2021, Section 3.
    """

    def __init__(
        self,
        filters: int = 64,
        blocks: int = 1,
        pool: int = 1,
        bottleneck: float = 0.25,
        depth: int = 1,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(**kwargs)
        self.arguments = {
            "filters": int(filters),
            "blocks": int(blocks),
            "pool": int(pool),
            "bottleneck": float(bottleneck),
            "depth": int(depth),
        }
        dtype = self.dtype_policy
        self.pool = int(pool)
        if self.pool == 1:
            self.stack = [
                keras.layers.Conv2D(
                    filters,
                    3,
                    padding="same",
                    kernel_initializer=keras.initializers.VarianceScaling(),
                    dtype=dtype,
                )
            ]
        else:
            self.stack = [keras.layers.AveragePooling2D(self.pool, dtype=dtype)]
        self.blocks = int(blocks)

    def build(self, input_shape):
        """Makes the weights for `[batch, height, width, channels]`."""
        height, width, channels = input_shape[1:]
        if height % self.pool or width % self.pool:
            raise UserError(f"a grid of {height}x{width} cannot be pooled by {self.pool}")
        filters = self.arguments["filters"]
        blocks = [self._block(height // self.pool, filters) for _ in range(self.blocks)]
        if self.pool > 1:
            blocks = [*self.stack, *blocks]
            self.stack = [self._block(height, channels), *blocks]
        else:
            self.stack = [*self.stack, *blocks]
        super().build(input_shape)

    def _block(self, size: int, filters: int) -> Bottleneck:
        middle = max(1, math.ceil(filters * self.arguments["bottleneck"]))
        return Bottleneck(
            middle,
            filters,
            3 if size > 2 else 1,
            residual=True,
            last_scale=1.0 / self.arguments["depth"],
            dtype=self.dtype_policy,
        )

    def compute_output_shape(self, input_shape):
        """Shape of the grid of this stage."""
        height, width = (n // self.pool for n in input_shape[1:3])
        return (input_shape[0], height, width, self.arguments["filters"])

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), **self.arguments}


def bottleneck_stages(depths: str, filters: int, bottleneck: float = 0.25) -> list[BottleneckStage]:
    """The stages of an encoder from a string such as `"28x2,28d2,14x2,14d2,7x3"`.

    Args:
        depths: In the order of the data's way: `RxN`, N residual blocks on the RxR grid; `RdP`, a
            block there and a pooling by P.
        filters: Channels.
        bottleneck: Channels inside the blocks, as a share of `filters`.

    Returns:
        A stage for each grid, the finest first.

    Raises:
        UserError: If the string does not read so.

    References:
        Child, "Very Deep VAEs", 2021 (the published code's notation).
    """
    stages, grid, depth = [], None, 0
    for part in depths.replace(" ", "").split(","):
        match = re.fullmatch(r"(\d+)(?:([xd])(\d+))?", part)
        if not match or (grid is not None and int(match[1]) != grid):
            at = "" if grid is None else f", on the {grid}x{grid} grid"
            raise UserError(
                f"the encoder's depth {depths!r} has {part!r}{at}: give such as 28x2,28d2,14x3"
            )
        grid, number = int(match[1]), int(match[3] or 1)
        if match[2] == "d":
            if number < 2 or grid % number:
                raise UserError(f"the encoder's depth {depths!r}: {part} cannot be pooled")
            stages = stages or [{"blocks": 0}]
            stages.append({"blocks": 0, "pool": number})
            grid, depth = grid // number, depth + 1
        else:
            stages = stages or [{"blocks": 0}]
            stages[-1]["blocks"] += number
            depth += number
    return [BottleneckStage(filters, bottleneck=bottleneck, depth=depth, **s) for s in stages]
