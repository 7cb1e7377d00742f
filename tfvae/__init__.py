"""tfvae: variational autoencoders on TensorFlow, Keras 3 and TensorFlow Probability."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

_MODULES = (
    "data",
    "distribute",
    "distributions",
    "errors",
    "evaluation",
    "fitting",
    "latents",
    "layers",
    "losses",
    "metrics",
    "networks",
    "objectives",
    "options",
    "plots",
    "priors",
    "recipes",
    "runs",
    "saving",
    "schedules",
    "trainer",
)

if TYPE_CHECKING:  # what type checkers and editors see; a test holds it against what is imported
    from tfvae import data as data
    from tfvae import distribute as distribute
    from tfvae import distributions as distributions
    from tfvae import errors as errors
    from tfvae import evaluation as evaluation
    from tfvae import fitting as fitting
    from tfvae import latents as latents
    from tfvae import layers as layers
    from tfvae import losses as losses
    from tfvae import metrics as metrics
    from tfvae import networks as networks
    from tfvae import objectives as objectives
    from tfvae import options as options
    from tfvae import plots as plots
    from tfvae import priors as priors
    from tfvae import recipes as recipes
    from tfvae import runs as runs
    from tfvae import saving as saving
    from tfvae import schedules as schedules
    from tfvae import trainer as trainer
    from tfvae.distributions.types import Latent as Latent
    from tfvae.distributions.types import ObjectiveOutput as ObjectiveOutput
    from tfvae.distributions.types import VAEOutput as VAEOutput
    from tfvae.errors import UserError as UserError
    from tfvae.fitting import fit_prior as fit_prior
    from tfvae.saving import load as load
    from tfvae.vae import VAE as VAE
else:
    from tfvae.lazy import attach

    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            **{module: f"tfvae.{module}" for module in _MODULES},
            "Latent": "tfvae.distributions.types",
            "ObjectiveOutput": "tfvae.distributions.types",
            "UserError": "tfvae.errors",
            "VAE": "tfvae.vae",
            "VAEOutput": "tfvae.distributions.types",
            "fit_prior": "tfvae.fitting",
            "load": "tfvae.saving",
        },
    )
