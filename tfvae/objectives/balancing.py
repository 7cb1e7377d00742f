"""KL balancing: how much the rate of each group of latent variables weighs."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

__all__ = ["balance_weights"]


def balance_weights(
    rates: Sequence[tf.Tensor], sizes: Sequence[int], share: tf.Tensor | float = 1.0
) -> list[tf.Tensor]:
    """The weights of the groups' rates, γ_l = 1 − b + b L a_l / Σ_k a_k, of mean 1.

    a_l is the mean rate of a group for each of its variables. A group that carries little is
    pressed down little, and one that carries more than the others more, so that all are used.

    Args:
        rates: The mean rate of each group, nats, scalars.
        sizes: Number of variables of each group.
        share: b, from 0, all groups weigh alike, to 1.

    Returns:
        A scalar for each group, a constant of the gradient.

    Example:
        >>> weights = balance_weights([tf.constant(3.0), tf.constant(1.0)], [1, 1])
        >>> [float(weight) for weight in weights]
        [1.5, 0.5]

    References:
        Vahdat and Kautz, "NVAE: A Deep Hierarchical Variational Autoencoder", 2020, Appendix A.
    """
    each = [tf.abs(rate) / size for rate, size in zip(rates, sizes, strict=True)]
    total = tf.add_n(each)
    # Where no group carries anything, all weigh alike.
    shares = [tf.where(total > 0, tf.math.divide_no_nan(a, total), 1 / len(each)) for a in each]
    return [tf.stop_gradient(1.0 - share + share * len(each) * s) for s in shares]
