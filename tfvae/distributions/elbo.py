"""The evidence lower bound: training, logs and estimators all call this one function."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tfvae.distributions.divergences import kl_divergence
from tfvae.distributions.types import VAEOutput

__all__ = ["EvidenceLowerBound", "elbo"]


class EvidenceLowerBound(NamedTuple):
    """The bound and its parts, in nats per example.

    Attributes:
        elbo: E_q log p(x|z) − KL(q(z|x) ‖ p(z)), `[batch]`; higher is better.
        distortion: −E_q log p(x|z), `[batch]`.
        rate: KL(q(z|x) ‖ p(z)), `[batch]`, the sum over the latent groups.
        rates: The same of each latent group, `[batch]` each.
    """

    elbo: tf.Tensor
    distortion: tf.Tensor
    rate: tf.Tensor
    rates: tuple[tf.Tensor, ...]


def elbo(x: tf.Tensor, output: VAEOutput, *, kl: str = "auto") -> EvidenceLowerBound:
    """The evidence lower bound of every example.

    ELBO(x) = E_q(z|x)[log p(x|z)] − KL(q(z|x) ‖ p(z)) ≤ log p(x)

    The expectation is the mean over the draws of z that the output holds; the log likelihood is
    summed over the event. With several latent groups the KL is the sum of theirs, each held
    against its prior given the groups above.

    Args:
        x: Data, `[batch, *event]`.
        output: What the model returned for it, with one draw of z or K of them.
        kl: How the KL is computed, see `kl_divergence`.

    Returns:
        The bound and its parts, nats, `[batch]` each.

    Example:
        >>> bound = elbo(x, vae(x))
        >>> float(tf.reduce_mean(bound.elbo))

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, Eq. 3.
    """
    log_likelihood = output.likelihood.log_prob(x)
    if log_likelihood.shape.rank == 2:  # [K, batch]
        log_likelihood = tf.reduce_mean(log_likelihood, axis=0)
    rates = tuple(kl_divergence(latent, kl) for latent in output.latents)
    rate = tf.add_n(rates)
    return EvidenceLowerBound(log_likelihood - rate, -log_likelihood, rate, rates)
