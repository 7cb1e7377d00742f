"""Checkpoints: the whole model as a `.keras` file, written so that none is ever half there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import keras
import numpy as np

from tfvae.errors import MissingFileError, UserError
from tfvae.saving import load
from tfvae.training.workdir import Workdir, write_whole
from tfvae.vae import VAE

__all__ = ["Checkpoints", "load_final", "restore", "restore_terms", "save", "save_terms"]

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
    cut_off = workdir.checkpoints.glob("part-*")  # by a kill while it was written
    for old in (*(path for _, path in workdir.saved()[:-KEPT]), *cut_off):
        old.unlink()
        _terms(old).unlink(missing_ok=True)


def _terms(checkpoint: Path) -> Path:
    """Beside a checkpoint within an epoch: the epoch's metrics so far, which Keras leaves out."""
    return checkpoint.with_suffix(".json")


def save_terms(vae: VAE, workdir: Workdir, batches: int) -> None:
    """Saves the state of the metrics within an epoch.

    Args:
        vae: The model.
        workdir: The folder of the run.
        batches: Batches that the model has been trained on.
    """
    state = [variable.numpy().tolist() for variable in vae.terms.variables]
    write_whole(_terms(workdir.checkpoint(batches)), json.dumps(state) + "\n")


def restore_terms(workdir: Workdir, batches: int) -> list[np.ndarray]:
    """Loads the state of the metrics within an epoch.

    Args:
        workdir: The folder of the run.
        batches: Batches that the model has been trained on.

    Returns:
        The values of the metric's variables; none where the file is missing.
    """
    path = _terms(workdir.checkpoint(batches))
    if not path.exists():
        return []
    return [np.array(values, np.float32) for values in json.loads(path.read_text())]


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
        except Exception as error:  # a damaged file fails in zipfile, zlib, json, h5py or Keras
            reason = str(error).partition("\n")[0] or type(error).__name__
    if saved:
        raise UserError(
            f"no checkpoint in {str(workdir.checkpoints)!r} can be read ({reason}): delete the "
            "folder to train anew"
        )
    return None, 0


def load_final(workdir: Workdir) -> VAE:
    """Loads the model of a run that is through.

    Args:
        workdir: The folder of the run.

    Returns:
        The model.

    Raises:
        MissingFileError: If the run has not been finished.
    """
    if not workdir.model.exists():
        raise MissingFileError(
            f"the run in {str(workdir.path)!r} has no model.keras yet: finish it with the same "
            "tfvae-train command"
        )
    return load(workdir.model)


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
