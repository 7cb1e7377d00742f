"""Priors that are fitted to the codes of a trained model, and take the place of its own."""

from tfvae.fitting.fit import fit_prior
from tfvae.lazy import public

__all__ = ["fit_prior"]
__dir__ = public(__all__)
