"""Draws of a posterior that follow the Hamiltonian flow of the model's density."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.latents.refined import Refined
from tfvae.latents.tempered_flow import leapfrog

tfd = tfp.distributions

__all__ = ["Hamiltonian"]


@keras.saving.register_keras_serializable(package="tfvae")
class Hamiltonian(Refined):
    """The Hamiltonian VAE: any reparameterized posterior, refined by K leapfrog steps.

    H(z, ρ) = −log p(x, z) + |ρ|²/2, z₀ ~ q(z|x), ρ₀ ~ N(0, I/β₀), and with the momentum cooled
    behind each step to β_K = 1

    ELBO = E[log p(x, z_K) + log N(ρ_K; 0, I) − log q(z₀|x) − log N(ρ₀; 0, I/β₀) + d/2 log β₀],

    a lower bound of log p(x) whatever the step sizes are. A step costs one gradient of the decoder
    in z, which the training differentiates once more. The pair (z_K, ρ_K) is drawn, so a term
    such as `rate`, nats, counts the momentum; `log_prob` is an estimate of log p(x) as ever.

    Args:
        prior: p(z), on all real numbers; None: the standard normal.
        steps: K.
        step_size: ε at the start, of each element of z; it is learned, from 0 to `max_step`.
        max_step: The largest ε.
        tempering: `"fixed"`, where β₀ is learned and β_k follows; `"free"`, where each factor of
            the momentum is; `"none"`: β₀ = 1, and the bound rises by no more than the error of
            the steps.
        beta_zero: β₀ at the start, above 0 and below 1.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If a number is out of its range; when it first sees a posterior that is not
            reparameterized, or not on all real numbers.

    Example:
        >>> structure = Hamiltonian(steps=5, tempering="free")
        >>> model = tfvae.VAE(encoder, decoder, latents=structure)

    References:
        Caterini, Doucet, Sejdinovic, "Hamiltonian Variational Auto-Encoder", 2018, Algorithm 1,
        Eqs. 7 to 9.
    """

    def momentum(self, z: tf.Tensor, beta) -> tfd.Distribution:
        """N(0, I/β), whatever z is."""
        scale = tf.math.rsqrt(tf.cast(beta, z.dtype))
        return tfd.Independent(tfd.Normal(tf.zeros_like(z), scale), len(self.event_shape))

    def integrator(self, force: Callable, step_size: tf.Tensor) -> Callable:
        """The leapfrog step."""
        return leapfrog(force, step_size)
