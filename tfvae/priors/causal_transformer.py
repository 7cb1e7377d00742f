"""A causal transformer over sequences of codes."""

from __future__ import annotations

import functools

import keras
import tensorflow as tf

from tfvae.distribute import fold_in
from tfvae.options.keywords import ModelOptions, Unpack

__all__ = ["CausalTransformer"]


class CausalTransformer(keras.Model):
    """The logits of p(k_i | k_1, ..., k_{i−1}, c) for all positions i at once.

    The last kernel is zero at the start, so that all codes are as likely.

    Args:
        positions: Length of a sequence.
        codes: K, the number of codes.
        width: Features of a position.
        heads: Attention heads.
        blocks: Blocks of attention and a two-layer network.
        conditional: Whether there is a vector c, which joins every position's features.
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
        **kwargs: Unpack[ModelOptions],
    ):
        super().__init__(**kwargs)
        self.positions = positions
        dense = functools.partial(keras.layers.Dense, dtype=self.dtype_policy)
        norm = functools.partial(keras.layers.LayerNormalization, dtype=self.dtype_policy)
        normal = keras.initializers.RandomNormal
        self.start = self.add_weight(
            shape=(1, 1, width), initializer="zeros", autocast=False, name="start"
        )
        self.place = self.add_weight(
            shape=(positions, width), initializer=normal(stddev=0.1), autocast=False, name="place"
        )
        self.token = keras.layers.Embedding(
            codes, width, normal(stddev=0.3), dtype=self.dtype_policy
        )
        self.from_vector = dense(width, use_bias=False) if conditional else None
        self.blocks = [
            (
                norm(),
                keras.layers.MultiHeadAttention(heads, width // heads, dtype=self.dtype_policy),
                norm(),
                dense(4 * width, "gelu"),
                dense(width),
            )
            for _ in range(blocks)
        ]
        self.last = [norm(), dense(codes, kernel_initializer="zeros")]

    def call(self, inputs):
        """The logits of all positions.

        Args:
            inputs: Codes, int32, `[n, positions]`; with a vector `(codes, [n, size])`.

        Returns:
            `[n, positions, K]`.
        """
        codes, vector = inputs if isinstance(inputs, (tuple, list)) else (inputs, None)
        before = self.token(codes[:, :-1])
        start = tf.repeat(tf.convert_to_tensor(self.start), tf.shape(codes)[0], axis=0)
        h = tf.concat([start, before], axis=1) + self.place
        if vector is not None:
            h += self.from_vector(vector)[:, None]
        for norm, attention, norm_2, wide, narrow in self.blocks:
            y = norm(h)
            h += attention(y, y, use_causal_mask=True)
            h += narrow(wide(norm_2(h)))
        norm, logits = self.last
        return logits(norm(h))

    def draw(self, n, seed: tf.Tensor, temperature=1.0, vector=None) -> tf.Tensor:
        """Draws n sequences, one position after the other.

        Args:
            n: Number of draws.
            seed: Stateless seed.
            temperature: Divides the logits.
            vector: `[n, size]`, or None.

        Returns:
            int32, `[n, positions]`.
        """
        return self._compiled_draw(
            tf.convert_to_tensor(n), seed, tf.constant(temperature, tf.float32), vector
        )

    @functools.cached_property
    def _compiled_draw(self):
        return tf.function(self._draw, reduce_retracing=True, autograph=False)

    def _draw(self, n, seed, temperature, vector) -> tf.Tensor:
        def step(i, codes):
            inputs = tf.transpose(codes)
            logits = self(inputs if vector is None else (inputs, vector))[:, i]
            logits /= tf.maximum(temperature, 1e-6)
            new = tf.random.stateless_categorical(logits, 1, fold_in(seed, i), tf.int32)
            return i + 1, tf.tensor_scatter_nd_update(codes, [[i]], tf.transpose(new))

        codes = tf.zeros([self.positions, n], tf.int32)
        shapes = [tf.TensorShape([]), tf.TensorShape([self.positions, None])]
        _, codes = tf.while_loop(
            lambda i, _: i < self.positions, step, [tf.constant(0), codes], shape_invariants=shapes
        )
        return tf.transpose(codes)
