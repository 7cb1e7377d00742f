"""The base of the rules by which vectors become codes."""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["Quantization", "Quantized"]


class Quantized(NamedTuple):
    """What a rule makes of vectors.

    Attributes:
        codes: int32, `[...]`, or `[..., depth]` where a vector has several codes.
        vectors: What the codes stand for, with the gradient of the vectors, `[..., size]`.
        penalty: What each vector adds to the loss, `[...]`.
    """

    codes: tf.Tensor
    vectors: tf.Tensor
    penalty: tf.Tensor


class Quantization(keras.layers.Layer):
    """Base of the rules from vectors v to codes k and back: v ↦ k(v), k ↦ e(k).

    The gradient passes straight through: the result is b(v) + stop_gradient(e(k) − b(v)), where b
    is the identity unless a rule bounds its vectors. A rule of one's own defines `nearest` and
    `look_up`, and where it has them `bounded`, `penalty` and `learn`. It stands inside a
    `Quantizer`, which builds it.

    Args:
        codes: K, the number of values of a code.
        depth: Codes of a vector; 1: they have no axis of their own.
        size: Numbers in a vector; None: any.
        **kwargs: Arguments of `keras.layers.Layer`.

    References:
        van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017,
        Section 3.2.
    """

    def __init__(
        self,
        codes: int,
        depth: int = 1,
        size: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        # As probability, what is held against the codes is float32 under mixed precision too.
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        self.codes, self.depth, self.size = codes, depth, size

    def build(self, size=None):
        """Makes the weights for vectors of `size` numbers; by default there are none."""
        self.built = True

    def get_build_config(self) -> None:
        """Returns nothing: the quantizer builds its rule."""

    def nearest(self, vectors: tf.Tensor) -> tf.Tensor:
        """The codes of vectors.

        Args:
            vectors: `[..., size]`.

        Returns:
            int32, `[...]`, or `[..., depth]` where a vector has several codes.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define nearest(vectors)")

    def look_up(self, codes: tf.Tensor) -> tf.Tensor:
        """The vectors that codes, as `nearest` returns them, stand for: `[..., size]`."""
        raise NotImplementedError(f"{type(self).__name__} has to define look_up(codes)")

    def bounded(self, vectors: tf.Tensor) -> tf.Tensor:
        """The vectors b(v) that are rounded, through which the gradient passes; by default v."""
        return vectors

    def penalty(self, vectors: tf.Tensor, entries: tf.Tensor) -> tf.Tensor:
        """What vectors with the entries `e(k)` add to the loss, `[...]`; by default nothing."""
        return tf.zeros_like(vectors[..., 0])

    def learn(self, vectors: tf.Tensor, codes: tf.Tensor, seed: tf.Tensor) -> None:
        """Learns of a training step's vectors beside the gradient; by default nothing.

        Args:
            vectors: This replica's, `[n, size]`, those of an example beside each other.
            codes: Their codes, `[n]`.
            seed: Stateless seed.
        """

    def encode(self, vectors: tf.Tensor, *, seed: tf.Tensor, training: bool = False) -> Quantized:
        """Takes vectors to their codes and what these stand for, and learns of them in training.

        Args:
            vectors: `[batch, ..., size]`.
            seed: Stateless seed.
            training: Whether this is a training step.

        Returns:
            Codes, vectors with a gradient, and the penalty.
        """
        codes = self.nearest(vectors)
        entries = tf.stop_gradient(self.look_up(codes))
        penalty = self.penalty(vectors, entries)
        if training:
            flat = tf.reshape(tf.stop_gradient(vectors), [-1, vectors.shape[-1]])
            self.learn(flat, tf.reshape(codes, [-1]), seed)
        bounded = self.bounded(vectors)
        return Quantized(codes, bounded + tf.stop_gradient(entries - bounded), penalty)
