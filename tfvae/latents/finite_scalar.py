"""Finite scalar quantization: every number of a vector is rounded, and there is no codebook."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.latents.quantization import Quantization
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["FiniteScalar"]

ROOM = 1e-3  # beyond the outermost levels, so that rounding reaches them


@keras.saving.register_keras_serializable(package="tfvae")
class FiniteScalar(Quantization):
    """Each number of a vector is bounded and rounded to one of its L_i levels: K = Π_i L_i codes.

    f(v_i) = h_i tanh(v_i + s_i) − o_i,  h_i = (L_i − 1)(1 + ε)/2;  e_i = round(f(v_i)) / ⌊L_i/2⌋

    o_i is 1/2 for an even number of levels and 0 for an odd one, and s_i = artanh(o_i / h_i) has
    f(0) = 0. Nothing is learned and nothing added to the loss; the gradient is that of f.

    Args:
        levels: L_i, for each number of a vector.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> rule = FiniteScalar((5, 5, 5))
        >>> rule.codes
        125
        >>> rule.look_up(rule.nearest(tf.constant([[0.0, 3.0, -3.0]]))).numpy()
        array([[ 0.,  1., -1.]], dtype=float32)

    References:
        Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", 2023, Section 3.1 and
        Appendix A.1.
    """

    def __init__(self, levels: Sequence[int] = (5, 5, 5), **kwargs: Unpack[LayerOptions]):
        levels = tuple(np.atleast_1d(levels).tolist())
        if not levels or any(n != int(n) or n < 2 for n in levels):
            raise UserError(f"levels takes integers from 2, got {levels!r}")
        if math.prod(levels) >= 2**31:
            raise UserError(f"levels={levels!r} are {math.prod(levels)} codes: take fewer")
        super().__init__(math.prod(levels), size=len(levels), **kwargs)
        self.levels = levels
        self._count = np.array(levels, np.int32)
        self._basis = np.cumprod([1, *levels[:-1]]).astype(np.int32)

    def _on_levels(self, vectors: tf.Tensor) -> tf.Tensor:
        """f(v), whose nearest whole numbers are the levels, `[..., size]`."""
        half = (self._count - 1) * (1 + ROOM) / 2
        offset = np.where(self._count % 2 == 0, 0.5, 0.0)
        half, offset, shift = (
            tf.constant(each, vectors.dtype) for each in (half, offset, np.arctanh(offset / half))
        )
        return half * tf.tanh(vectors + shift) - offset

    def bounded(self, vectors: tf.Tensor) -> tf.Tensor:
        """f(v), on the scale of the entries."""
        return self._on_levels(vectors) / tf.constant(self._count // 2, vectors.dtype)

    def nearest(self, vectors: tf.Tensor) -> tf.Tensor:
        """The codes of vectors: their levels as the digits of one number, int32, `[...]`."""
        digits = tf.cast(tf.round(self._on_levels(vectors)), tf.int32) + self._count // 2
        return tf.reduce_sum(digits * self._basis, axis=-1)

    def look_up(self, codes: tf.Tensor) -> tf.Tensor:
        """The levels that codes stand for, on [−1, 1], `[..., size]`."""
        digits = codes[..., None] // self._basis % self._count
        levels = tf.cast(digits - self._count // 2, self.variable_dtype)
        return levels / tf.constant(self._count // 2, levels.dtype)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "levels": list(self.levels)}
