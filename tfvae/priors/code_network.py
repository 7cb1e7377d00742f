"""The base of the autoregressive networks over maps of codes."""

from __future__ import annotations

import functools

import keras
import tensorflow as tf

from tfvae.distribute import fold_in
from tfvae.options.keywords import ModelOptions, Unpack
from tfvae.priors.causal_attention import CausalAttention

__all__ = ["CodeNetwork"]


class CodeNetwork(keras.Model):
    """The logits of p(k_i | k_1, ..., k_{i−1}, c) for all codes i of a map at once.

    The positions of a map come row by row, and the codes of a position, where it has several, one
    after the other: a network of its own, which is the same at all positions, takes what `before`
    says of the positions before and adds the codes of this one that come before. The last kernel
    is zero at the start, so that all codes are as likely.

    A network defines `before`.

    Args:
        positions: Positions of a map.
        codes: K, the number of values of a code.
        width: Features of a position.
        depth: Codes of a position.
        heads: Attention heads among the codes of a position.
        **kwargs: Arguments of `keras.Model`.

    References:
        Lee et al., "Autoregressive Image Generation using Residual Quantization", 2022, Section
        3.2 (of the codes of a position).
    """

    def __init__(
        self,
        positions: int,
        codes: int,
        width: int,
        *,
        depth: int = 1,
        heads: int = 4,
        **kwargs: Unpack[ModelOptions],
    ):
        super().__init__(**kwargs)
        self.positions, self.codes, self.depth = positions, codes, depth
        dense = functools.partial(keras.layers.Dense, dtype=self.dtype_policy)
        normal = keras.initializers.RandomNormal
        self.token = keras.layers.Embedding(
            depth * codes, width, normal(stddev=0.3), dtype=self.dtype_policy
        )
        if depth > 1:
            self.turn = self.add_weight(
                shape=(depth, width), initializer=normal(stddev=0.1), autocast=False, name="turn"
            )
            self.within = CausalAttention(width, heads, dtype=self.dtype_policy)
        self.last = [
            keras.layers.LayerNormalization(dtype=self.dtype_policy),
            dense(codes, kernel_initializer="zeros"),
        ]

    def before(self, tokens: tf.Tensor, vector: tf.Tensor | None) -> tf.Tensor:
        """What every position sees of the positions before it.

        Args:
            tokens: What stands at the positions, `[n, positions, width]`.
            vector: `[n, size]`, or None.

        Returns:
            `[n, positions, width]`; that of a position depends on the tokens before it alone.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define before(tokens, vector)")

    def call(self, inputs):
        """The logits of all codes.

        Args:
            inputs: Codes, int32, `[n, positions · depth]`; with a vector `(codes, [n, size])`.

        Returns:
            `[n, positions · depth, K]`.
        """
        codes, vector = inputs if isinstance(inputs, (tuple, list)) else (inputs, None)
        if self.depth == 1:
            h = self.before(self.token(codes), vector)
        else:
            codes = tf.reshape(codes, [-1, self.positions, self.depth])
            tokens = self.token(codes + self.codes * tf.range(self.depth))
            h = self.before(tf.reduce_sum(tokens, axis=2), vector)
            h = h[:, :, None] + tf.cumsum(tokens, axis=2, exclusive=True)
            shape = tf.shape(h)
            # The static width, which layers are built for.
            h = tf.reshape(h + tf.cast(self.turn, h.dtype), [-1, self.depth, h.shape[-1]])
            h = tf.reshape(self.within(h), [shape[0], self.positions * self.depth, h.shape[-1]])
        norm, logits = self.last
        return logits(norm(h))

    def draw(self, n, seed: tf.Tensor, temperature=1.0, vector=None) -> tf.Tensor:
        """Draws n maps, one code after the other.

        Args:
            n: Number of draws.
            seed: Stateless seed.
            temperature: Divides the logits.
            vector: `[n, size]`, or None.

        Returns:
            int32, `[n, positions · depth]`.
        """
        return self._compiled_draw(
            tf.convert_to_tensor(n), seed, tf.constant(temperature, tf.float32), vector
        )

    @functools.cached_property
    def _compiled_draw(self):
        return tf.function(self._draw, reduce_retracing=True, autograph=False)

    def _draw(self, n, seed, temperature, vector) -> tf.Tensor:
        length = self.positions * self.depth

        def step(i, codes):
            inputs = tf.transpose(codes)
            logits = self(inputs if vector is None else (inputs, vector))[:, i]
            logits /= tf.maximum(temperature, 1e-6)
            new = tf.random.stateless_categorical(logits, 1, fold_in(seed, i), tf.int32)
            return i + 1, tf.tensor_scatter_nd_update(codes, [[i]], tf.transpose(new))

        codes = tf.zeros([length, n], tf.int32)
        shapes = [tf.TensorShape([]), tf.TensorShape([length, None])]
        _, codes = tf.while_loop(
            lambda i, _: i < length, step, [tf.constant(0), codes], shape_invariants=shapes
        )
        return tf.transpose(codes)
