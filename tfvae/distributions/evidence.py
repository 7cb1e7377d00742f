"""Whether a model gives a bound of log p(x), and what it reports where it gives none."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tfvae.distributions.elbo import EvidenceLowerBound
from tfvae.distributions.point import is_point
from tfvae.distributions.supports import support_of
from tfvae.distributions.types import VAEOutput

__all__ = ["NoEvidence", "no_evidence", "reported", "reported_terms"]


class NoEvidence(NamedTuple):
    """Why there is no bound of log p(x).

    Attributes:
        reason: In words, as in "..., and the posterior is a point, which has no density".
        remedy: What to take for a density of x.
    """

    reason: str
    remedy: str


POINT = NoEvidence(
    "the posterior is a point, which has no density",
    "take a posterior with noise, such as IndependentNormal",
)
ENERGY = NoEvidence(
    "the likelihood is an energy, which is no density of x: there are no nats or bits of it",
    "take a likelihood such as IndependentNormal",
)


def no_evidence(output: VAEOutput) -> NoEvidence | None:
    """Why a model gives no bound of log p(x): an energy for a likelihood, or posteriors of points.

    Args:
        output: What the model returned.

    Returns:
        The reason; None where the ELBO is a bound. A `tfd.Deterministic` of a user's own counts as
        one code of countably many, as that of a codebook, whose mass is 1.

    Example:
        >>> no_evidence(vae(x)) is None
        True
    """
    if not support_of(output.likelihood).density:
        return ENERGY
    return POINT if _of_points(output) else None


def reported(output: VAEOutput) -> tuple[str, ...]:
    """The names of the terms that every objective reports of a model.

    Args:
        output: What the model returned.

    Returns:
        `elbo`, `distortion` and `rate`; of points `distortion` and `log_joint`, which is
        log p(x|z) + log p(z) at the code; of an energy `energy`, and `rate` where there is one.

    Example:
        >>> reported(vae(x))
        ('elbo', 'distortion', 'rate')
    """
    if not support_of(output.likelihood).density:
        return ("energy",) if _of_points(output) else ("energy", "rate")
    return ("distortion", "log_joint") if _of_points(output) else ("elbo", "distortion", "rate")


def reported_terms(output: VAEOutput, bound: EvidenceLowerBound) -> dict[str, tf.Tensor]:
    """Those terms, each `[batch]`; nats, but for an energy.

    Args:
        output: What the model returned.
        bound: What `tfvae.distributions.elbo` gives for it: of points and energies the same sums,
            which are no bound.

    Returns:
        The terms by name.

    Example:
        >>> output = vae(x)
        >>> sorted(reported_terms(output, tfvae.distributions.elbo(x, output)))
        ['distortion', 'elbo', 'rate']
    """
    values = {
        "elbo": bound.elbo,
        "log_joint": bound.elbo,
        "distortion": bound.distortion,
        "energy": bound.distortion,
        "rate": bound.rate,
    }
    return {name: values[name] for name in reported(output)}


def _of_points(output: VAEOutput) -> bool:
    return any(is_point(latent.posterior) for latent in output.latents)
