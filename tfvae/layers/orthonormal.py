"""Matrices with orthonormal columns, made of any parameters."""

from __future__ import annotations

import tensorflow as tf

__all__ = ["gram_schmidt", "reflected"]


def gram_schmidt(raw: tf.Tensor) -> tf.Tensor:
    """The orthonormal columns of I + raw, in their order, by a QR decomposition.

    Each column keeps its side: without that, a reflection comes in where an element changes its
    sign, and Q jumps.

    Args:
        raw: `[*batch, d, m]` with m up to d; at zeros, the first m axes come out.

    Returns:
        `[*batch, d, m]`.

    Example:
        >>> gram_schmidt(tf.zeros([2, 1])).numpy().tolist()
        [[1.0], [0.0]]
    """
    q, r = tf.linalg.qr(raw + tf.eye(raw.shape[-2], raw.shape[-1], dtype=raw.dtype))
    side = tf.where(tf.linalg.diag_part(r) < 0, -1.0, 1.0)
    return q * tf.cast(side, q.dtype)[..., tf.newaxis, :]


def reflected(vectors: tf.Tensor) -> tf.Tensor:
    """The product of Householder reflections I − 2 v vᵀ / |v|², one for each vector.

    Args:
        vectors: v, `[*batch, n, d]`; one that is zero stands for the first axis.

    Returns:
        `[*batch, d, d]`.

    Example:
        >>> reflected(tf.constant([[0.0, 2.0]])).numpy().tolist()
        [[1.0, 0.0], [0.0, -1.0]]
    """
    size = vectors.shape[-1]
    tiny = tf.reduce_sum(tf.square(vectors), axis=-1, keepdims=True) < 1e-12
    axis = tf.one_hot(0, size, dtype=vectors.dtype)
    vectors = tf.math.l2_normalize(tf.where(tiny, axis, vectors), axis=-1)
    q = tf.eye(size, dtype=vectors.dtype)
    for v in tf.unstack(vectors, axis=-2):
        q -= 2 * tf.linalg.matvec(q, v)[..., tf.newaxis] * v[..., tf.newaxis, :]
    return q
