"""Evaluation: likelihood of held-out data, and how much of the latent space is in use."""

from tfvae.evaluation.active_units import active_units
from tfvae.evaluation.likelihood import evaluate_likelihood
from tfvae.evaluation.total_correlation import total_correlation
from tfvae.lazy import public

__all__ = ["active_units", "evaluate_likelihood", "total_correlation"]
__dir__ = public(__all__)
