"""A causal transformer over maps of codes."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.options.keywords import ModelOptions, Unpack
from tfvae.priors.causal_attention import CausalAttention
from tfvae.priors.code_network import CodeNetwork

__all__ = ["CausalTransformer"]


class CausalTransformer(CodeNetwork):
    """Blocks of causal attention over the positions, each of which sees the one before it.

    Args:
        positions: Positions of a map.
        codes: K, the number of values of a code.
        width: Features of a position.
        heads: Attention heads.
        blocks: Blocks of attention and a two-layer network.
        conditional: Whether there is a vector c, which joins every position's features.
        depth: Codes of a position.
        **kwargs: Arguments of `keras.Model`.
    """

    def __init__(
        self,
        positions: int,
        codes: int,
        *,
        width: int,
        heads: int,
        blocks: int,
        conditional: bool = False,
        depth: int = 1,
        **kwargs: Unpack[ModelOptions],
    ):
        super().__init__(positions, codes, width, depth=depth, heads=heads, **kwargs)
        self.start = self.add_weight(
            shape=(1, 1, width), initializer="zeros", autocast=False, name="start"
        )
        normal = keras.initializers.RandomNormal(stddev=0.1)
        self.place = self.add_weight(
            shape=(positions, width), initializer=normal, autocast=False, name="place"
        )
        same = {"dtype": self.dtype_policy}
        self.from_vector = (
            keras.layers.Dense(width, use_bias=False, **same) if conditional else None
        )
        self.blocks = [CausalAttention(width, heads, **same) for _ in range(blocks)]

    def before(self, tokens: tf.Tensor, vector: tf.Tensor | None) -> tf.Tensor:
        """What every position sees of the positions before it, `[n, positions, width]`."""
        start = tf.repeat(tf.convert_to_tensor(self.start), tf.shape(tokens)[0], axis=0)
        h = tf.concat([start, tokens[:, :-1]], axis=1) + self.place
        if vector is not None:
            h += self.from_vector(vector)[:, None]
        for block in self.blocks:
            h = block(h)
        return h
