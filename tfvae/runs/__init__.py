"""Training from a configuration: `train_and_evaluate(config, workdir)` and its parts."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what type checkers and editors see; a test holds it against what is imported
    from tfvae.runs.config import default_config as default_config
    from tfvae.runs.finite import FiniteSteps as FiniteSteps
    from tfvae.runs.loop import train_and_evaluate as train_and_evaluate
    from tfvae.runs.panels import Panels as Panels
else:
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
