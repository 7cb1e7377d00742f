"""Priors: distributions with weights and no input."""

from tfvae.priors.base import Prior
from tfvae.priors.standard_normal import StandardNormal

__all__ = ["Prior", "StandardNormal"]
