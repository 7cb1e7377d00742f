"""Checkpoints: the whole model as a `.keras` file, written so that none is ever half there."""

from __future__ import annotations

import os

import keras
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.training.workdir import Workdir
from tfvae.vae import VAE, load

__all__ = ["Checkpoints", "restore", "save"]

KEPT = 2


def save(vae: VAE, workdir: Workdir, batches: int) -> None:
    """Saves weights, optimizer and configuration after so many batches; keeps the newest two.

    Args:
        vae: The model.
        workdir: The folder of the run.
        batches: Batches that the model has been trained on.
    """
    path = workdir.checkpoint(batches)
    part = path.with_name(f"part-{path.name}")
    vae.save(part)
    os.replace(part, path)
    for _, old in workdir.saved()[:-KEPT]:
        old.unlink()


def restore(workdir: Workdir) -> tuple[VAE | None, int]:
    """Loads the newest checkpoint that can be read.

    Args:
        workdir: The folder of the run.

    Returns:
        The model and the batches it has been trained on; (None, 0) where there is no checkpoint.

    Raises:
        UserError: If there are checkpoints and none can be read.
    """
    saved = workdir.saved()
    reason = None
    for batches, path in reversed(saved):
        try:
            return load(path), batches
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            reason = error
    if saved:
        raise UserError(
            f"no checkpoint in {str(workdir.checkpoints)!r} can be read ({reason}): delete the "
            "folder to train anew"
        )
    return None, 0


class Checkpoints(keras.callbacks.Callback):
    """Saves the model every so many epochs.

    Args:
        workdir: The folder of the run.
        every: Epochs between checkpoints.
        steps: Batches in an epoch.
    """

    def __init__(self, workdir: Workdir, every: int, steps: int):
        super().__init__()
        self.workdir, self.every, self.steps = workdir, every, steps

    def on_epoch_end(self, epoch, logs=None):
        """Saves at the end of every so many epochs."""
        if (epoch + 1) % self.every == 0:
            save(self.model, self.workdir, (epoch + 1) * self.steps)
