"""Training from a configuration: `train_and_evaluate(config, workdir)` and its parts."""

from tfvae.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "FiniteSteps": "tfvae.training.finite",
        "Panels": "tfvae.training.panels",
        "default_config": "tfvae.training.config",
        "train_and_evaluate": "tfvae.training.loop",
    },
)
