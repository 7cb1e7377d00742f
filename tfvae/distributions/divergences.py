"""Kullback-Leibler divergences and log importance weights, in nats."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions import normal_kl  # noqa: F401 (registers KL pairs)
from tfvae.distributions.types import Latent, VAEOutput
from tfvae.errors import UserError

tfd = tfp.distributions

__all__ = [
    "analytic_kl",
    "kl_divergence",
    "log_importance_weights",
    "monte_carlo_kl",
]


def analytic_kl(posterior: tfd.Distribution, prior: tfd.Distribution) -> tf.Tensor | None:
    """KL(q ‖ p) in closed form, or None where tfp has none for the pair.

    Args:
        posterior: q, batch shape `[batch]`.
        prior: p, batch shape `[]` or `[batch]`.

    Returns:
        Nats, `[batch]`, or None.

    Example:
        >>> float(analytic_kl(tfd.Normal(1.0, 1.0), tfd.Normal(0.0, 1.0)))
        0.5
    """
    try:
        return tfd.kl_divergence(posterior, prior)
    except NotImplementedError:
        return None


def monte_carlo_kl(latent: Latent) -> tf.Tensor:
    """KL(q ‖ p) = E_q[log q(z|x) − log p(z)], estimated at the draw that `latent` holds.

    Args:
        latent: The draw with its posterior and prior.

    Returns:
        Nats, `[batch]` or `[K, batch]`: one term of the average for each draw.
    """
    return latent.posterior.log_prob(latent.z) - latent.prior.log_prob(latent.z)


def kl_divergence(latent: Latent, method: str = "auto") -> tf.Tensor:
    """The rate of one latent group, KL(q(z|x) ‖ p(z)), per example.

    Args:
        latent: The draw with its posterior and prior.
        method: `"auto"`: analytic where tfp registers the pair, Monte Carlo otherwise;
            `"analytic"`; `"monte_carlo"`.

    Returns:
        Nats, `[batch]`; the mean over the draws where there are K of them.

    Raises:
        UserError: If `"analytic"` is asked for and there is no closed form.
    """
    rate = None
    if method in ("auto", "analytic"):
        rate = analytic_kl(latent.posterior, latent.prior)
    if rate is None and method == "analytic":
        raise UserError(
            f"no closed form of KL({latent.posterior.name} ‖ {latent.prior.name}) is registered: "
            "use kl='auto' or kl='monte_carlo'"
        )
    if rate is None:
        rate = monte_carlo_kl(latent)
    return tf.reduce_mean(rate, axis=0) if rate.shape.rank == 2 else rate


def log_importance_weights(x: tf.Tensor, output: VAEOutput) -> tf.Tensor:
    """The log importance weight of every draw.

    log w = log p(x|z) + Σ_l [log p(z_l) − log q(z_l|x)]
    E_q[w] = p(x) and E_q[log w] is the ELBO.

    Args:
        x: Data, `[batch, *event]`.
        output: What the model returned for it.

    Returns:
        Nats, `[batch]`, or `[K, batch]` with K samples.

    References:
        Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", 2016, Eq. 8.
    """
    log_weights = output.likelihood.log_prob(x)
    for latent in output.latents:
        log_weights -= monte_carlo_kl(latent)
    return log_weights
