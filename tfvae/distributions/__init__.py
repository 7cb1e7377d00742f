"""What tfp lacks: KL pairs, moments, supports, batch axes, tensors that are distributions."""

from tfvae.distributions.divergences import (
    analytic_kl,
    distortion_and_rates,
    kl_divergence,
    log_importance_weights,
    monte_carlo_kl,
)
from tfvae.distributions.supports import support_of
from tfvae.distributions.types import Latent, ObjectiveOutput, VAEOutput

__all__ = [
    "Latent",
    "ObjectiveOutput",
    "VAEOutput",
    "analytic_kl",
    "distortion_and_rates",
    "kl_divergence",
    "log_importance_weights",
    "monte_carlo_kl",
    "support_of",
]
