"""How `fit` runs: the training step, what it makes its batches of, its pace and its guard."""

from tfvae.lazy import public
from tfvae.trainer.adam import Adam
from tfvae.trainer.learning_rates import WarmUp
from tfvae.trainer.model import ObjectiveModel

__all__ = ["Adam", "ObjectiveModel", "WarmUp"]
__dir__ = public(__all__)
