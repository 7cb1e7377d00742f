"""The gated PixelCNN over maps of codes."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.options.keywords import LayerOptions, ModelOptions, Unpack
from tfvae.priors.code_network import CodeNetwork

__all__ = ["GatedPixelCNN"]


class GatedBlock(keras.layers.Layer):
    """One layer of both stacks: of the rows above, and of the row to the left.

    y = tanh(W_f * h + V_f c) ⊙ σ(W_g * h + V_g c)

    The stack of the rows sees, at row i, rows up to i; handed to that of the row it is moved down
    by one. Nothing is masked: the images are padded above and to the left alone, so that no kernel
    reaches ahead.

    Args:
        width: Features.
        kernel_size: Of the full kernel, of which half is used; odd.
        first: Whether it is the first layer, whose row stack must not see its own position.
        conditional: Whether there is a vector c.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        width: int,
        kernel_size: int,
        *,
        first: bool,
        conditional: bool,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(**kwargs)
        self.reach, self.first = kernel_size // 2, first
        same = {"dtype": self.dtype_policy}
        self.above = keras.layers.Conv2D(2 * width, (self.reach + 1, kernel_size), **same)
        self.left = keras.layers.Conv2D(2 * width, (1, self.reach + (not first)), **same)
        self.down = keras.layers.Dense(2 * width, use_bias=False, **same)
        self.out = keras.layers.Dense(width, **same)
        self.from_vector = (
            [keras.layers.Dense(2 * width, use_bias=False, **same) for _ in range(2)]
            if conditional
            else None
        )

    def call(self, stacks, vector=None):
        """Maps both stacks, `[n, height, width, features]`, to the next ones."""
        rows, row = stacks
        reach = self.reach
        rows = self.above(tf.pad(rows, [[0, 0], [reach, 0], [reach, reach], [0, 0]]))
        if vector is not None:
            one, other = (layer(vector)[:, None, None] for layer in self.from_vector)
            rows += one
        moved = tf.pad(rows[:, :-1], [[0, 0], [1, 0], [0, 0], [0, 0]])
        seen = row[:, :, :-1] if self.first else row
        seen = self.left(tf.pad(seen, [[0, 0], [0, 0], [reach, 0], [0, 0]]))
        seen += self.down(moved)
        if vector is not None:
            seen += other
        new = self.out(_gated(seen))
        return _gated(rows), new if self.first else row + new


def _gated(h: tf.Tensor) -> tf.Tensor:
    value, gate = tf.split(h, 2, axis=-1)
    return tf.tanh(value) * tf.sigmoid(gate)


class GatedPixelCNN(CodeNetwork):
    """Gated convolutions over the map, which see the rows above and what is to the left.

    Args:
        grid: Height and width of a map.
        codes: K, the number of values of a code.
        width: Features of a position.
        layers: Layers of both stacks; all together they see `layers` · (kernel_size // 2) rows.
        kernel_size: Of the kernels, odd.
        conditional: Whether there is a vector c, which joins every layer.
        depth: Codes of a position.
        heads: Attention heads among the codes of a position.
        **kwargs: Arguments of `keras.Model`.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        codes: int,
        *,
        width: int,
        layers: int,
        kernel_size: int,
        conditional: bool = False,
        depth: int = 1,
        heads: int = 4,
        **kwargs: Unpack[ModelOptions],
    ):
        super().__init__(grid[0] * grid[1], codes, width, depth=depth, heads=heads, **kwargs)
        self.grid = grid
        same = {"dtype": self.dtype_policy}
        self.gated = [
            GatedBlock(width, kernel_size, first=i == 0, conditional=conditional, **same)
            for i in range(layers)
        ]

    def before(self, tokens: tf.Tensor, vector: tf.Tensor | None) -> tf.Tensor:
        """What every position sees of the positions before it, `[n, positions, width]`."""
        h = tf.reshape(tokens, [-1, *self.grid, tokens.shape[-1]])
        stacks = (h, h)
        for block in self.gated:
            stacks = block(stacks, vector)
        return tf.reshape(stacks[1], tf.shape(tokens))
