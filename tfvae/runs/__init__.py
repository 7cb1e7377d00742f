"""Training from a configuration: `train_and_evaluate(config, workdir)` and its parts."""

from tfvae.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "FiniteSteps": "tfvae.runs.finite",
        "Panels": "tfvae.runs.panels",
        "default_config": "tfvae.runs.config",
        "train_and_evaluate": "tfvae.runs.loop",
    },
)
