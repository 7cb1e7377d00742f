"""Published models by name: each a composition of parts, returned uncompiled."""

from __future__ import annotations

from collections.abc import Callable

from tfvae import options
from tfvae.lazy import public
from tfvae.recipes.adversarial import aae, intro_vae, vae_gan
from tfvae.recipes.autoencoders import ae, rae_gp, rae_l2, rae_sn
from tfvae.recipes.densities import hyperspherical_vae, logcosh_vae, sigma_vae
from tfvae.recipes.discrete import categorical_vae, joint_vae
from tfvae.recipes.disentangling import beta_tcvae, dip_vae, factor_vae
from tfvae.recipes.energies import dfc_vae, msssim_vae
from tfvae.recipes.flat import (
    beta_vae,
    conditional_vae,
    exemplar_vae,
    iaf_vae,
    nvp_vae,
    two_stage_vae,
    vae,
    vamp_vae,
)
from tfvae.recipes.flows import planar_vae, spline_vae, sylvester_vae
from tfvae.recipes.hierarchies import ladder_vae, two_layer_vae, vdvae
from tfvae.recipes.hyperbolic import poincare_vae
from tfvae.recipes.importance import ciwae, dreg, iwae, miwae, piwae, renyi_vae
from tfvae.recipes.labelled import m1_m2, m2
from tfvae.recipes.matching import info_vae, swae, wae_mmd
from tfvae.recipes.modalities import multimodal_vae
from tfvae.recipes.quantized import fsq_vae, lfq_vae, pixel_vae, residual_vq_vae, vq_vae
from tfvae.recipes.refining import hvae, rhvae
from tfvae.recipes.weighing import annealed_vae, disentangled_beta_vae, geco_vae
from tfvae.vae import VAE

__all__ = [
    "aae",
    "ae",
    "annealed_vae",
    "beta_tcvae",
    "beta_vae",
    "categorical_vae",
    "ciwae",
    "conditional_vae",
    "dfc_vae",
    "dip_vae",
    "disentangled_beta_vae",
    "dreg",
    "exemplar_vae",
    "factor_vae",
    "fsq_vae",
    "geco_vae",
    "get",
    "hvae",
    "hyperspherical_vae",
    "iaf_vae",
    "info_vae",
    "intro_vae",
    "iwae",
    "joint_vae",
    "ladder_vae",
    "lfq_vae",
    "logcosh_vae",
    "m1_m2",
    "m2",
    "miwae",
    "msssim_vae",
    "multimodal_vae",
    "names",
    "nvp_vae",
    "piwae",
    "pixel_vae",
    "planar_vae",
    "poincare_vae",
    "rae_gp",
    "rae_l2",
    "rae_sn",
    "renyi_vae",
    "residual_vq_vae",
    "rhvae",
    "sigma_vae",
    "spline_vae",
    "swae",
    "sylvester_vae",
    "takes_labels",
    "two_layer_vae",
    "two_stage_vae",
    "vae",
    "vae_gan",
    "vamp_vae",
    "vdvae",
    "vq_vae",
    "wae_mmd",
]
__dir__ = public(__all__)


def names() -> list[str]:
    """The names of all recipes."""
    return options.names("recipe")


def get(name: str) -> Callable[..., VAE]:
    """Finds a recipe.

    Args:
        name: One of `names()`.

    Returns:
        The function that makes the model.

    Raises:
        UnknownNameError: If there is none of that name.
    """
    return options.find("recipe", name).load()


def takes_labels(name: str) -> bool:
    """Whether a recipe's model is conditional on the class of an example."""
    return "classes" in options.find("recipe", name).arguments
