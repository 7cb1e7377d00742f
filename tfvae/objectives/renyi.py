"""The variational Rényi bound."""

from __future__ import annotations

import math
from typing import Literal

import keras
import tensorflow as tf

from tfvae.objectives.importance import Combined, ImportanceWeighted
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.options.bounds import Count
from tfvae.options.keywords import ImportanceOptions, Unpack
from tfvae.schedules import Scheduled

__all__ = ["Renyi"]

NEAR_ONE = 1e-3  # an α so near to 1 is taken for 1: the division by 1 − α rounds


@keras.saving.register_keras_serializable(package="tfvae")
class Renyi(ImportanceWeighted):
    """The variational Rényi bound: loss = −1/(1 − α) log 1/K Σ_k w_k^(1 − α).

    The weights are w_k = p(x, z_k) / q(z_k|x). With α → 1 it is the negative ELBO, with α = 0
    `IWAE`; the bound falls as α rises, and for α < 0 it may lie above log p(x). It is the term
    `renyi_bound`; `effective_samples` is that of w̃_k = w_k^(1 − α) / Σ_j w_j^(1 − α). The
    estimate of K draws is biased (towards the ELBO for α < 1), the less the more draws.

    The gradient `"plain"` is Σ_k w̃_k ∇ log w_k; `"dreg"`, of the same expectation, is
    Σ_k w̃_k (α + (1 − α) w̃_k) ∂ log w_k/∂z_k · ∂z_k/∂φ.

    Args:
        alpha: α, any number; within 0.001 of 1 it is taken for 1. A schedule of `tfvae.schedules`
            or of Keras, or a function of the step, is taken as well.
        samples: K, posterior samples per example.
        gradient: `"plain"`, `"stl"` or `"dreg"`, as in `IWAE`.
        **kwargs: `kl`, of the logged rate alone; arguments of `keras.layers.Layer`.

    Raises:
        UserError: As `IWAE`.

    Example:
        >>> model = tfvae.VAE(encoder, decoder, objective=Renyi(alpha=0.5, samples=20))

    References:
        Li and Turner, "Rényi Divergence Variational Inference", 2016, Section 3 (the
        bound), Section 4.1 (its Monte Carlo estimate).
    """

    alpha = ScheduledNumber()

    def __init__(
        self,
        alpha: float | Scheduled = 0.5,
        *,
        samples: Count = 8,
        gradient: Literal["plain", "stl", "dreg"] = "plain",
        **kwargs: Unpack[ImportanceOptions],
    ):
        super().__init__(1, samples, gradient, **kwargs)
        self.alpha = alpha

    def combine(self, log_weights: tf.Tensor, step) -> Combined:
        """The bound, see `ImportanceWeighted.combine`."""
        power = 1.0 - tf.cast(self.alpha(step), log_weights.dtype)
        is_one = tf.abs(power) < NEAR_ONE
        power = tf.where(is_one, tf.zeros_like(power), power)
        mean = tf.reduce_mean(log_weights, axis=1, keepdims=True)
        # Around the mean, so that little is lost where the power is small.
        total = tf.reduce_logsumexp(power * (log_weights - mean), axis=1)
        above = (total - math.log(log_weights.shape[1])) / tf.where(is_one, 1.0, power)
        bound = mean[:, 0] + tf.where(is_one, tf.zeros_like(above), above)
        weights = tf.stop_gradient(tf.nn.softmax(power * log_weights, axis=1))
        return Combined(bound, weights, 1.0 - power + power * weights)
