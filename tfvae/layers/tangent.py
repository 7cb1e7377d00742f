"""Points on the sphere around a direction, with a gradient to it that is bounded everywhere."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfvae.distributions.outside import zero_outside

__all__ = ["around", "on_the_sphere"]


def on_the_sphere(x: tf.Tensor, direction: tf.Tensor, log_prob: Callable) -> tf.Tensor:
    """The log density of unit vectors, to the rounding of float32 or 16; −∞ off the sphere.

    Args:
        x: `[..., d]`.
        direction: A unit vector that may be put in the place of what is none, `[*batch, d]`.
        log_prob: The density on the sphere.

    Returns:
        Nats, `[..., *batch]`.
    """
    inside = tf.abs(tf.reduce_sum(tf.square(x), axis=-1) - 1) < 5e-3
    safe = tf.convert_to_tensor(direction)
    x, safe = x + tf.zeros_like(safe), safe + tf.zeros_like(x)
    return zero_outside(tf.broadcast_to(inside, tf.shape(x)[:-1]), x, safe, log_prob)


def _reflected(x: tf.Tensor, direction: tf.Tensor) -> tf.Tensor:
    """Maps x orthogonally so that the first axis becomes `direction`, μ.

    By the Householder reflection along u = μ + sign(μ_1) e_1, which takes e_1 to −sign(μ_1) μ, and
    that sign. |u|² is 2 or more: nothing cancels, as it does in μ − e_1 for a μ near e_1.
    """
    axis = tf.one_hot(0, direction.shape[-1], dtype=x.dtype)
    sign = tf.where(direction[..., :1] < 0, -tf.ones([], x.dtype), 1.0)
    u = direction + sign * axis
    half = tf.reduce_sum(x * u, axis=-1, keepdims=True) / (1 + tf.abs(direction[..., :1]))
    return sign * (half * u - x)


def around(
    direction: tf.Tensor, cosine: tf.Tensor, sine: tf.Tensor, across: tf.Tensor
) -> tf.Tensor:
    """Points x = cos θ μ + sin θ v with a unit vector v at right angles to μ.

    No frame of vectors v is continuous in μ on the whole sphere (in 3 dimensions there is none by
    the hairy ball theorem), and where it tears, gradients through it are wrong or without bound.
    So the gradient does not go through the frame: as μ turns by dμ, x turns along, in the plane
    of μ and dμ alone, dx = cos θ dμ − sin θ (v·dμ) μ. A distribution that depends on x by μᵀx
    turns in the same way, so the gradient of an expectation is that of its draws, and |dx| ≤ |dμ|.
    First derivatives alone are right: as with all implicit gradients, second ones are not.

    Args:
        direction: Unit vectors μ, `[*batch, d]`.
        cosine: cos θ, `[..., *batch]`.
        sine: sin θ, of the same shape.
        across: Unit vectors that v is made of by an orthogonal map, `[..., *batch, d − 1]`.

    Returns:
        Unit vectors x, `[..., *batch, d]`.

    Example:
        >>> around(tf.constant([1.0, 0.0]), tf.constant(0.6), tf.constant(0.8), tf.constant([1.0]))
        <tf.Tensor: shape=(2,), dtype=float32, numpy=array([ 0.6, -0.8], dtype=float32)>

    References:
        Figurnov, Mohamed, Mnih, "Implicit Reparameterization Gradients", 2018, equation 4: any
        transport of the distribution gives its gradient.
    """
    here = tf.stop_gradient(direction)
    v = _reflected(tf.concat([tf.zeros_like(across[..., :1]), across], axis=-1), here)
    v = tf.stop_gradient(v)
    turned = v - tf.reduce_sum(v * (direction - here), axis=-1, keepdims=True) * here
    return cosine[..., tf.newaxis] * direction + sine[..., tf.newaxis] * turned
