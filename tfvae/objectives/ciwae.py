"""The convex combination of the ELBO and the importance-weighted bound."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf

from tfvae.objectives.importance import Combined, ImportanceWeighted
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.options.bounds import Count, Share
from tfvae.options.keywords import ImportanceOptions, Unpack
from tfvae.schedules import Scheduled

__all__ = ["CIWAE"]


@keras.saving.register_keras_serializable(package="tfvae")
class CIWAE(ImportanceWeighted):
    """The combination IWAE: loss = −β 1/K Σ_k log w_k − (1 − β) log 1/K Σ_k w_k.

    The weights are w_k = p(x, z_k) / q(z_k|x). With β = 1 it is the negative ELBO, whose gradient
    tells the encoder most, with β = 0 `IWAE`, whose bound is the tightest; both are of the same K
    draws. It is the term `ciwae_bound`. With w̃_k = w_k / Σ_j w_j, the gradient `"dreg"` is
    Σ_k (β/K + (1 − β) w̃_k²) ∂ log w_k/∂z_k · ∂z_k/∂φ.

    Args:
        beta: β, from 0 to 1; a number, a schedule of `tfvae.schedules` or of Keras, or a function
            of the step.
        samples: K, posterior samples per example.
        gradient: `"plain"`, `"stl"` or `"dreg"`, as in `IWAE`.
        **kwargs: `kl`, of the logged rate alone; arguments of `keras.layers.Layer`.

    Raises:
        UserError: If `beta` is a number outside [0, 1]; else as `IWAE`.

    Example:
        >>> model = tfvae.VAE(encoder, decoder, objective=CIWAE(beta=0.05, samples=64))

    References:
        Rainforth et al., "Tighter Variational Bounds are Not Necessarily Better", 2018, Section 6.
        Tucker et al., "Doubly Reparameterized Gradient Estimators", 2019, Eq. 8 (dreg).
    """

    beta = ScheduledNumber(low=0.0, high=1.0)

    def __init__(
        self,
        beta: Share | Scheduled = 0.5,
        *,
        samples: Count = 8,
        gradient: Literal["plain", "stl", "dreg"] = "plain",
        **kwargs: Unpack[ImportanceOptions],
    ):
        super().__init__(1, samples, gradient, **kwargs)
        self.beta = beta

    def combine(self, log_weights: tf.Tensor, step) -> Combined:
        """The bound, see `ImportanceWeighted.combine`."""
        bound, weights, _ = super().combine(log_weights, step)
        beta = tf.cast(self.beta(step), log_weights.dtype)
        bound = beta * tf.reduce_mean(log_weights, axis=1) + (1.0 - beta) * bound
        # What comes back to a draw has the factor β/K + (1 − β) w̃; w̃² is wanted in it.
        equal = beta / log_weights.shape[1]
        wanted = equal + (1.0 - beta) * weights**2
        return Combined(
            bound, weights, tf.math.divide_no_nan(wanted, equal + (1.0 - beta) * weights)
        )
