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
    "check_shapes",
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


def check_shapes(posterior: tfd.Distribution, prior: tfd.Distribution) -> None:
    """Refuses distributions whose KL(q ‖ p) tfp would broadcast to a number without a meaning.

    tfp's formulas and log-probabilities broadcast: of a scalar prior beside a vector, or of one
    number beside two, a finite number comes out, of the wrong size or counted several times.

    Args:
        posterior: q.
        prior: p, of q's event shape, and of a batch shape that broadcasts to q's.

    Raises:
        UserError: If the shapes are known and do not fit.

    Example:
        >>> check_shapes(tfd.MultivariateNormalDiag(tf.zeros(2)), tfd.Normal(0.0, 1.0))
        Traceback (most recent call last):
        ...
        tfvae.errors.UserError: the prior Normal has the event shape () beside ...
    """
    event, other = posterior.event_shape, prior.event_shape
    if not (isinstance(event, tf.TensorShape) and isinstance(other, tf.TensorShape)):
        return
    if not event.is_compatible_with(other):
        raise UserError(
            f"the prior {prior.name} has the event shape {_shown(other)} beside {_shown(event)} "
            f"of {posterior.name}, and their KL would be broadcast: give a prior of that event "
            "shape, such as tfd.Independent(..., reinterpreted_batch_ndims) makes of a batch"
        )
    batch, other = posterior.batch_shape, prior.batch_shape
    if batch.rank is None or other.rank is None:
        return
    pairs = list(zip(reversed(batch), reversed(other), strict=False))
    fits = all(b in (1, n) or None in (b, n) for n, b in pairs)
    if other.rank > batch.rank or not fits:
        raise UserError(
            f"the prior {prior.name} has the batch shape {_shown(other)} beside {_shown(batch)} "
            f"of {posterior.name}, and their KL would be broadcast: give one prior for all "
            "examples, or one for each"
        )


def _shown(shape: tf.TensorShape) -> str:
    return str(tuple(shape)) if shape.rank is not None else "unknown"


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
