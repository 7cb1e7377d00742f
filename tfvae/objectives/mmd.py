"""The maximum mean discrepancy of a batch's codes and draws of the prior."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfvae.distribute import global_batch

__all__ = ["KERNELS", "imq", "maximum_mean_discrepancy", "rbf"]

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # of the authors' program


def _squared_distances(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """‖a − b‖² of all pairs, `[..., n, D]` and `[..., m, D]` to `[..., n, m]`."""
    squares = (
        tf.reduce_sum(a**2, axis=-1)[..., :, None] + tf.reduce_sum(b**2, axis=-1)[..., None, :]
    )
    return tf.maximum(squares - 2.0 * tf.matmul(a, b, transpose_b=True), 0.0)


def rbf(a: tf.Tensor, b: tf.Tensor, bandwidth: float = 1.0) -> tf.Tensor:
    """The Gaussian kernel of all pairs, k = exp(−‖a − b‖² / C) with C = 2 D σ².

    Args:
        a: `[..., n, D]`.
        b: `[..., m, D]`.
        bandwidth: σ, the spread of each of the D elements.

    Returns:
        `[..., n, m]`.

    Example:
        >>> round(float(rbf(tf.zeros([1, 2]), tf.ones([1, 2]))[0, 0]), 4)
        0.6065
    """
    return tf.exp(-_squared_distances(a, b) / (2.0 * a.shape[-1] * bandwidth**2))


def imq(a: tf.Tensor, b: tf.Tensor, bandwidth: float = 1.0) -> tf.Tensor:
    """The inverse multiquadric kernel, k = Σ_s s C / (s C + ‖a − b‖²) with C = 2 D σ².

    The sum is over scales s from 0.1 to 10. Its tails are heavier than the Gaussian kernel's: codes
    far from the prior still feel where it is.

    Args:
        a: `[..., n, D]`.
        b: `[..., m, D]`.
        bandwidth: σ, the spread of each of the D elements.

    Returns:
        `[..., n, m]`.

    Example:
        >>> round(float(imq(tf.zeros([1, 2]), tf.zeros([1, 2]))[0, 0]), 4)
        7.0
    """
    squares = _squared_distances(a, b)
    constants = [scale * 2.0 * a.shape[-1] * bandwidth**2 for scale in SCALES]
    return tf.add_n([constant / (constant + squares) for constant in constants])


KERNELS: dict[str, Callable] = {"imq": imq, "rbf": rbf}


def maximum_mean_discrepancy(
    z: tf.Tensor,
    draws: tf.Tensor,
    kernel: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    *,
    weights: tf.Tensor | None = None,
    unbiased: bool = True,
) -> tf.Tensor:
    """Estimates MMD² = E k(z, z′) + E k(p, p′) − 2 E k(z, p), of z ~ q(z) and p ~ p(z).

    Every example has its part, whose weighted mean over the (global) batch is the estimate. The
    unbiased one (a U-statistic) leaves out the pairs of a code and itself and may be below zero;
    the biased one is the squared distance of the two samples' mean embeddings. K samples of each
    example are K batches, of which the mean is taken: two codes of one example are no independent
    draws of q(z).

    Args:
        z: Codes, `[K, batch, D]`.
        draws: Draws of the prior, `[n, D]`, the same on all replicas.
        kernel: k, of all pairs: `[..., n, D]` and `[..., m, D]` to `[..., n, m]`.
        weights: Sample weights, `[batch]`; None: all are 1.
        unbiased: Whether a code and itself, and a draw and itself, are no pair.

    Returns:
        `[batch]`.

    Example:
        >>> z, prior = tf.random.normal([1, 100, 2]) + 3.0, tf.random.normal([100, 2])
        >>> bool(tf.reduce_mean(maximum_mean_discrepancy(z, prior, rbf)) > 0.5)
        True

    References:
        Gretton et al., "A Kernel Two-Sample Test", 2012, Lemma 6.
    """
    everyone, start = global_batch(tf.transpose(z, [1, 0, 2]))
    everyone = tf.transpose(everyone, [1, 0, 2])
    weights = tf.ones_like(z[0, :, 0]) if weights is None else tf.cast(weights, z.dtype)
    weights, _ = global_batch(weights)
    total = tf.reduce_sum(weights)
    pairs = tf.ones([tf.shape(z)[1], 1], z.dtype) * weights  # of an example and all
    among = kernel(draws, draws)
    if unbiased:
        itself = (start + tf.range(tf.shape(z)[1]))[:, None] == tf.range(tf.size(weights))
        pairs = tf.where(itself, tf.zeros_like(pairs), pairs)
        total -= tf.math.divide_no_nan(tf.reduce_sum(weights**2), total)
        among = tf.linalg.set_diag(among, tf.zeros_like(among[:, 0]))
        among *= draws.shape[0] / max(draws.shape[0] - 1, 1)
    within = tf.math.divide_no_nan(tf.reduce_sum(pairs * kernel(z, everyone), axis=2), total)
    across = tf.reduce_mean(kernel(z, draws), axis=2)
    return tf.reduce_mean(within - 2.0 * across, axis=0) + tf.reduce_mean(among)
