"""A run that goes on with another configuration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfvae.distributions.keras_compat import batches_counter
from tfvae.errors import UserError
from tfvae.runs.checkpoints import Restored
from tfvae.vae import VAE

__all__ = ["take_over"]


def take_over(restored: Restored, vae: VAE, steps: int) -> int:
    """Gives a new model what a checkpoint has learned: weights and the optimizers' states.

    Args:
        restored: The checkpoint.
        vae: The model of the new configuration, whose learning rate stays.
        steps: Batches in an epoch of the new configuration.

    Returns:
        The batches that stand for what is done. Where an epoch has another number of them, the
        epoch that was cut off is begun anew.

    Raises:
        UserError: If the weights are others.
    """
    old = restored.vae
    if len(old.weights) != len(vae.weights):
        raise UserError(
            f"{restored.path} has {len(old.weights)} weights, and the model of this configuration "
            f"has {len(vae.weights)}: they cannot be taken over, give another --workdir"
        )
    for new, one in zip(vae.weights, old.weights, strict=True):
        if new.shape != one.shape:
            raise UserError(
                f"{new.path} has the shape {tuple(new.shape)}, and {tuple(one.shape)} in "
                f"{restored.path}: it cannot be taken over, give another --workdir"
            )
    _copy(old.weights, vae.weights)
    if not vae.optimizer.built:
        vae.optimizer.build(vae.trainable_variables)
    _copy_state(old.optimizer, vae.optimizer)
    if getattr(vae.objective, "optimizer", None) and getattr(old.objective, "optimizer", None):
        _copy_state(old.objective.optimizer, vae.objective.optimizer)
    was = restored.record["steps"]
    return restored.batches if was == steps else restored.batches // was * steps


def _copy(source: Sequence, target: Sequence) -> None:
    for one, other in zip(source, target, strict=True):
        other.assign(np.asarray(one.numpy()))


def _copy_state(old, new) -> None:
    """The step at least, and all of it where both are of one kind."""
    batches_counter(new).assign(np.asarray(batches_counter(old).numpy()))
    source, target = (
        [v for v in optimizer.variables if v.name != "learning_rate"] for optimizer in (old, new)
    )
    if [(v.name, v.shape) for v in source] == [(v.name, v.shape) for v in target]:
        _copy(source, target)
