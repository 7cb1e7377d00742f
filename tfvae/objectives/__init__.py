"""Objectives: from data and a model's output to a loss per example."""

from tfvae.lazy import public
from tfvae.objectives.adversarial_autoencoder import AdversarialAutoencoder
from tfvae.objectives.base import Objective
from tfvae.objectives.beta_tcvae import BetaTCVAE
from tfvae.objectives.ciwae import CIWAE
from tfvae.objectives.dip_vae import DipVAE
from tfvae.objectives.elbo import ELBO
from tfvae.objectives.factor_vae import FactorVAE
from tfvae.objectives.geco import GECO
from tfvae.objectives.info_vae import InfoVAE
from tfvae.objectives.iwae import IWAE
from tfvae.objectives.joint_capacity import JointCapacity
from tfvae.objectives.miwae import MIWAE
from tfvae.objectives.piwae import PIWAE
from tfvae.objectives.regularized_autoencoder import RegularizedAutoencoder
from tfvae.objectives.renyi import Renyi
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.objectives.sliced_wasserstein import SlicedWasserstein
from tfvae.objectives.soft_intro_vae import SoftIntroVAE
from tfvae.objectives.supervised import Supervised
from tfvae.objectives.vae_gan import VaeGan

__all__ = [
    "CIWAE",
    "ELBO",
    "GECO",
    "IWAE",
    "MIWAE",
    "PIWAE",
    "AdversarialAutoencoder",
    "BetaTCVAE",
    "DipVAE",
    "FactorVAE",
    "InfoVAE",
    "JointCapacity",
    "Objective",
    "RegularizedAutoencoder",
    "Renyi",
    "ScheduledNumber",
    "SlicedWasserstein",
    "SoftIntroVAE",
    "Supervised",
    "VaeGan",
]
__dir__ = public(__all__)
