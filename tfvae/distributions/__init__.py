"""What tfp lacks: KL pairs, moments, supports, batch axes, tensors that are distributions."""

from tfvae.distributions.aside import aside
from tfvae.distributions.divergences import (
    analytic_kl,
    kl_divergence,
    log_importance_weights,
    monte_carlo_kl,
)
from tfvae.distributions.elbo import EvidenceLowerBound, elbo
from tfvae.distributions.supports import support_of
from tfvae.distributions.types import Latent, ObjectiveOutput, OfSome, VAEOutput
from tfvae.lazy import public

__all__ = [
    "EvidenceLowerBound",
    "Latent",
    "ObjectiveOutput",
    "OfSome",
    "VAEOutput",
    "analytic_kl",
    "aside",
    "elbo",
    "kl_divergence",
    "log_importance_weights",
    "monte_carlo_kl",
    "support_of",
]
__dir__ = public(__all__)
