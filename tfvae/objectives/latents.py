"""What objectives ask of the latent variables, each said with its reason where it is not so."""

from __future__ import annotations

import math

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import concrete
from tfvae.distributions.types import Latent, Networks, VAEOutput
from tfvae.errors import UserError

tfd = tfp.distributions

__all__ = ["code_moments", "networks_of", "one_group", "refuse_no_gradient", "shared_prior"]


def one_group(output: VAEOutput, objective: str, reason: str) -> Latent:
    """The latent group of a flat model.

    Args:
        output: What the model returned.
        objective: Name of the objective that takes one group alone.
        reason: Why.

    Returns:
        The group.

    Raises:
        UserError: If there are several.
    """
    if len(output.latents) != 1:
        raise UserError(
            f"{objective} takes one group of latent variables, and the model has "
            f"{len(output.latents)}: {reason}"
        )
    return output.latents[0]


def networks_of(output: VAEOutput, objective: str) -> Networks:
    """The networks of the model that made an output.

    Args:
        output: What the model returned.
        objective: Name of the objective that calls them once more.

    Returns:
        The networks.

    Raises:
        UserError: If the output does not know them.
    """
    networks = getattr(output, "networks", None)
    if networks is None:
        raise UserError(
            f"{objective} calls the networks of the model once more, and this output does not know "
            "them: give it what the model itself returned"
        )
    return networks


def shared_prior(latent: Latent, objective: str) -> tfd.Distribution:
    """The prior that the codes of all examples are held against.

    Args:
        latent: The latent group.
        objective: Name of the objective.

    Returns:
        p(z), of batch shape `[]`.

    Raises:
        UserError: If there is another one for each context.
    """
    if latent.prior.batch_shape.rank != 0:
        raise UserError(
            f"{objective} holds the codes of all examples against one prior p(z), and "
            f"{latent.prior.name} is another one for each context: take a prior without a "
            "context (of conditional_vae, conditional_prior=False)"
        )
    return latent.prior


def refuse_no_gradient(latent: Latent, objective: str) -> None:
    """Refuses draws that pass no gradient on.

    Args:
        latent: The latent group.
        objective: Name of the objective that sends its gradient through the draws.

    Raises:
        UserError: If the posterior is not reparameterized.
    """
    if latent.posterior.reparameterization_type != tfd.FULLY_REPARAMETERIZED:
        raise UserError(
            f"{objective} sends the gradient through the draws, and those of "
            f"{latent.posterior.name} pass none on: take a reparameterized posterior, such as "
            "RelaxedOneHotCategorical for discrete ones"
        )


def code_moments(posterior: tfd.Distribution, objective: str) -> tuple[tf.Tensor, tf.Tensor]:
    """The mean and the covariance of z given x, in closed form.

    Args:
        posterior: q(z|x), batch shape `[batch]`.
        objective: Name of the objective that takes them.

    Returns:
        `[batch, D]` and `[batch, D, D]`, of the D elements of z.

    Raises:
        UserError: If they are not known, as those of a flow.

    Example:
        >>> q = tfd.MultivariateNormalDiag(tf.zeros([5, 2]))
        >>> mean, covariance = code_moments(q, "DipVAE")
        >>> covariance.shape
        TensorShape([5, 2, 2])
    """
    posterior = concrete(posterior)
    size = math.prod(posterior.event_shape)
    try:
        if not posterior.dtype.is_floating:  # codes by their numbers
            raise NotImplementedError
        mean = posterior.mean()
        if isinstance(posterior, tfd.Independent) and posterior.distribution.event_shape.rank == 0:
            covariance = tf.linalg.diag(tf.reshape(posterior.variance(), [-1, size]))
        else:
            covariance = tf.reshape(posterior.covariance(), [-1, size, size])
    except NotImplementedError:
        raise UserError(
            f"{objective} takes the mean and the covariance of q(z|x), and those of "
            f"{posterior.name} are not known in closed form: take a posterior such as "
            "IndependentNormal or MultivariateNormalTriL"
        ) from None
    return tf.reshape(mean, [-1, size]), covariance
