"""tfvae: variational autoencoders on TensorFlow, Keras 3 and TensorFlow Probability."""

from tfvae.lazy import attach

__version__ = "0.1.0"

_MODULES = (
    "data",
    "distribute",
    "divergences",
    "errors",
    "evaluation",
    "layers",
    "losses",
    "metrics",
    "networks",
    "objectives",
    "optimizers",
    "plots",
    "priors",
    "recipes",
    "schedules",
    "supports",
    "training",
    "types",
)

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        **{module: f"tfvae.{module}" for module in _MODULES},
        "Latent": "tfvae.types",
        "ObjectiveOutput": "tfvae.types",
        "UserError": "tfvae.errors",
        "VAE": "tfvae.vae",
        "VAEOutput": "tfvae.types",
        "load": "tfvae.saving",
    },
)
