"""What objectives ask of the latent variables, each said with its reason where it is not so."""

from __future__ import annotations

import math

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.batch_axes import Unfolded
from tfvae.distributions.coercible import concrete
from tfvae.distributions.types import Latent, VAEOutput
from tfvae.errors import UserError

tfd = tfp.distributions

__all__ = ["code_moments", "has_density", "one_group", "refuse_no_gradient"]


def has_density(posterior: tfd.Distribution) -> bool:
    """Whether a posterior gives its draws a density: a deterministic code has none.

    Args:
        posterior: q(z|x); wrappers such as `tfd.Independent` are looked through.

    Returns:
        Whether log q(z|x) is a finite number.

    Example:
        >>> has_density(tfd.Deterministic(0.0))
        False
    """
    posterior = concrete(posterior)
    while isinstance(posterior, (tfd.Independent, tfd.Sample, tfd.BatchReshape, Unfolded)):
        posterior = posterior.distribution
    return not isinstance(posterior, (tfd.Deterministic, tfd.VectorDeterministic))


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
