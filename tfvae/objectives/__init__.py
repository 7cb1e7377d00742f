"""Objectives: from data and a model's output to a loss per example."""

from tfvae.objectives.base import Objective
from tfvae.objectives.elbo import ELBO

__all__ = ["ELBO", "Objective"]
