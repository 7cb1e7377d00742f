"""A block of causal attention."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["CausalAttention"]


class CausalAttention(keras.layers.Layer):
    """Attention of each place of a sequence to those up to it, and a two-layer network.

    h ← h + attention(norm(h));  h ← h + W_2 gelu(W_1 norm(h))

    Args:
        width: Features of a place.
        heads: Attention heads.
        **kwargs: Arguments of `keras.layers.Layer`.

    References:
        Vaswani et al., "Attention Is All You Need", 2017, Section 3.
    """

    def __init__(self, width: int, heads: int, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        same = {"dtype": self.dtype_policy}
        self.norms = [keras.layers.LayerNormalization(**same) for _ in range(2)]
        self.attention = keras.layers.MultiHeadAttention(heads, width // heads, **same)
        self.wide = keras.layers.Dense(4 * width, "gelu", **same)
        self.narrow = keras.layers.Dense(width, **same)

    def call(self, h: tf.Tensor) -> tf.Tensor:
        """Maps `[n, length, width]` to the same shape."""
        y = self.norms[0](h)
        h += self.attention(y, y, use_causal_mask=True)
        return h + self.narrow(self.wide(self.norms[1](h)))
