"""Residual trunks: pre-activation blocks between the stages of the convolutional ones."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from tfvae.errors import UserError
from tfvae.networks.chain import Chain
from tfvae.networks.image_trunk import DownTrunk, ImageTrunk, UpTrunk
from tfvae.options.keywords import DownTrunkOptions, TrunkOptions, Unpack, UntypedLayerOptions

__all__ = ["ResNetDown", "ResNetUp", "ResidualBlock"]


class ResidualBlock(Chain):
    """x + conv(activation(norm(conv(activation(norm(x)))))).

    The last kernel starts at zero, so a stack of blocks starts as the identity and trains at any
    depth without normalization (Zhang, Dauphin, Ma, "Fixup Initialization", 2019).

    Args:
        trunk: The trunk whose kernel size, activation, groups and dtype the block takes.
        filters: Channels of the input and the output.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, trunk: ImageTrunk, filters: int, **kwargs: Unpack[UntypedLayerOptions]):
        super().__init__(dtype=trunk.dtype_policy, **kwargs)
        first, last = trunk.conv(filters), trunk.conv(filters, kernel_initializer="zeros")
        self.stack = [*activated(trunk), first, *activated(trunk), last]

    def call(self, x):
        """Maps `[batch, height, width, filters]` to the same shape."""
        return x + super().call(x)


def activated(trunk: ImageTrunk) -> list[keras.layers.Layer]:
    """The normalization, if any, and the activation that stand before a convolution."""
    # Never batch normalization: it would make the likelihood of an example depend on the others
    # in its batch, and every replica would normalize by statistics of its own.
    dtype = trunk.dtype_policy
    norms = [keras.layers.GroupNormalization(trunk.groups, dtype=dtype)] if trunk.groups else []
    return [*norms, keras.layers.Activation(trunk.activation, dtype=dtype)]


class _Residual(ImageTrunk):
    """What both directions share: the arguments of the blocks."""

    def __init__(self, *args, blocks: int, groups: int | None, **kwargs):
        super().__init__(*args, **kwargs)
        self.num_blocks = int(blocks)
        self.groups = groups
        if groups and any(n % groups for n in self.filters):
            raise UserError(f"groups={groups} does not divide all of filters={self.filters}")

    def blocks(self, filters: int) -> list[keras.layers.Layer]:
        """The blocks of one stage."""
        return [ResidualBlock(self, filters) for _ in range(self.num_blocks)]

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "blocks": self.num_blocks, "groups": self.groups}


@keras.saving.register_keras_serializable(package="tfvae")
class ResNetDown(_Residual, DownTrunk):
    """Stages of a strided convolution, which halves the grid, and residual blocks.

    Args:
        filters: Channels of each stage.
        blocks: Residual blocks in a stage.
        groups: Groups of a `GroupNormalization` before each activation; None: no normalization.
        **kwargs: `kernel_size`, `activation` and `units` as in `ConvDown`, and arguments of
            `keras.layers.Layer`.

    Example:
        >>> ResNetDown([32, 64])(tf.zeros([4, 28, 28, 1])).shape
        TensorShape([4, 7, 7, 64])

    References:
        He, Zhang, Ren, Sun, "Identity Mappings in Deep Residual Networks", 2016.
        Wu and He, "Group Normalization", 2018.
    """

    def __init__(
        self,
        filters: Sequence[int] = (32, 64),
        *,
        blocks: int = 2,
        groups: int | None = None,
        **kwargs: Unpack[DownTrunkOptions],
    ):
        super().__init__(filters, blocks=blocks, groups=groups, **kwargs)
        self.stack = []
        for n in self.filters:
            self.stack += [self.conv(n, strides=2), *self.blocks(n)]
        self.stack += [*activated(self), *self.head()]


@keras.saving.register_keras_serializable(package="tfvae")
class ResNetUp(_Residual, UpTrunk):
    """The mirror of `ResNetDown`: residual blocks on each grid, then a doubling of the grid.

    Args:
        filters: Channels on each grid below the full one, the coarsest first; the full grid has
            as many as the one before it.
        size: `(height, width)` of the full grid, of any size.
        blocks: Residual blocks on each grid below the full one.
        groups: Groups of a `GroupNormalization` before each activation; None: no normalization.
        **kwargs: `kernel_size` and `activation` as in `ConvUp`, and arguments of
            `keras.layers.Layer`.

    Example:
        >>> ResNetUp([64, 32], (28, 28))(tf.zeros([4, 50])).shape
        TensorShape([4, 28, 28, 32])

    References:
        He, Zhang, Ren, Sun, "Identity Mappings in Deep Residual Networks", 2016.
    """

    def __init__(
        self,
        filters: Sequence[int],
        size: Sequence[int],
        *,
        blocks: int = 2,
        groups: int | None = None,
        **kwargs: Unpack[TrunkOptions],
    ):
        super().__init__(filters, size, blocks=blocks, groups=groups, **kwargs)
        self.stack = [self.to_grid()]
        next_filters = [*self.filters[1:], self.filters[-1]]
        for stage, (n, m) in enumerate(zip(self.filters, next_filters, strict=True)):
            self.stack += [*self.blocks(n), *self.doubling(stage), self.conv(m)]
        self.stack += activated(self)
