"""tfvae: variational autoencoders on TensorFlow, Keras 3 and TensorFlow Probability."""

from tfvae.lazy import attach

__version__ = "0.1.0"

_MODULES = (
    "data",
    "distribute",
    "distributions",
    "errors",
    "evaluation",
    "latents",
    "layers",
    "losses",
    "metrics",
    "networks",
    "objectives",
    "plots",
    "priors",
    "recipes",
    "runs",
    "saving",
    "schedules",
    "trainer",
)

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        **{module: f"tfvae.{module}" for module in _MODULES},
        "Latent": "tfvae.distributions.types",
        "ObjectiveOutput": "tfvae.distributions.types",
        "UserError": "tfvae.errors",
        "VAE": "tfvae.vae",
        "VAEOutput": "tfvae.distributions.types",
        "load": "tfvae.saving",
    },
)
