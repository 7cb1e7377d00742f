"""Objectives: from data and a model's output to a loss per example."""

from tfvae.objectives.base import Objective
from tfvae.objectives.beta_tcvae import BetaTCVAE
from tfvae.objectives.ciwae import CIWAE
from tfvae.objectives.elbo import ELBO
from tfvae.objectives.factor_vae import FactorVAE
from tfvae.objectives.iwae import IWAE
from tfvae.objectives.miwae import MIWAE
from tfvae.objectives.piwae import PIWAE
from tfvae.objectives.renyi import Renyi
from tfvae.objectives.scheduled_number import ScheduledNumber

__all__ = [
    "CIWAE",
    "ELBO",
    "IWAE",
    "MIWAE",
    "PIWAE",
    "BetaTCVAE",
    "FactorVAE",
    "Objective",
    "Renyi",
    "ScheduledNumber",
]
