"""Saves checkpoints as the training goes."""

from __future__ import annotations

from collections.abc import Callable

import keras

from tfvae.runs.callbacks import EpochOfData
from tfvae.runs.checkpoints import Checkpoints

__all__ = ["SaveCheckpoints"]


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves the model every so many epochs or steps, and the best one.

    With several steps in one call of the compiled function, a checkpoint is saved at the end of the
    call in which it is due. One that is due at the end of an epoch waits for the validation: the
    epoch's row is written before.

    Args:
        checkpoints: Where to.
        counter: Knows the batches of the run; it stands before this in the list of callbacks.
        every: The number and the unit, `"epoch"` or `"step"`.
        best: The ELBO that a model has to exceed to be kept as the best, nats; None: none is kept.
        skipped: Gives the number of steps that were left out so far.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        counter: EpochOfData,
        every: tuple[int, str],
        *,
        best: float | None = None,
        skipped: Callable[[], int] = lambda: 0,
    ):
        super().__init__()
        self.checkpoints, self.counter = checkpoints, counter
        number, unit = every
        self.every = number if unit == "step" else number * checkpoints.steps
        self.best, self.skipped = best, skipped
        self._periods = None

    def on_epoch_begin(self, epoch, logs=None):
        """Notes where the run is."""
        self._periods = self.counter.batches // self.every

    def on_train_batch_end(self, batch, logs=None):
        """Saves within an epoch."""
        if self.counter.batches % self.checkpoints.steps:
            self._save_if_due()

    def on_epoch_end(self, epoch, logs=None):
        """Saves at its end."""
        self._save_if_due()
        elbo = (logs or {}).get("val_elbo")
        if self.best is not None and elbo is not None and float(elbo) > self.best:
            self.best = float(elbo)
            self.checkpoints.save_best(self.model, self.counter.batches, self.best)

    def _save_if_due(self) -> None:
        periods = self.counter.batches // self.every
        if periods > self._periods:
            self._periods = periods
            self.checkpoints.save(self.model, self.counter.batches, skipped=self.skipped())
