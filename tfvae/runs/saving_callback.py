"""Saves checkpoints as the training goes."""

from __future__ import annotations

from collections.abc import Callable

import keras

from tfvae.runs.callbacks import EpochOfData
from tfvae.runs.checkpoints import Best, Checkpoints

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
        keep_best: Whether the model of the best ELBO on the validation data is kept.
        best: The one so far: `batches` and `val_elbo`, nats; None: there is none yet.
        facts: Gives what else a checkpoint's record has.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        counter: EpochOfData,
        every: tuple[int, str],
        *,
        keep_best: bool = False,
        best: Best | None = None,
        facts: Callable[[], dict] = dict,
    ):
        super().__init__()
        self.checkpoints, self.counter = checkpoints, counter
        number, unit = every
        self.every = number if unit == "step" else number * checkpoints.steps
        self.keep_best, self.best, self.facts = keep_best, best, facts
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
        elbo = (logs or {}).get("val_elbo") if self.keep_best else None
        better = elbo is not None and (self.best is None or float(elbo) > self.best["val_elbo"])
        if (
            better
        ):  # noted in the checkpoint, in case the run is killed before the best model is written
            self.best = {"batches": self.counter.batches, "val_elbo": float(elbo)}
        self._save_if_due()
        if better:
            self.checkpoints.save_best(self.model, self.counter.batches, float(elbo))

    def save(self, model: keras.Model) -> None:
        """Saves now, unless that has been done.

        Args:
            model: The model; before `fit` begins, the callback does not know it.
        """
        if not self.checkpoints.workdir.checkpoint(self.counter.batches).is_file():
            self._save(model)

    def _save_if_due(self) -> None:
        periods = self.counter.batches // self.every
        if periods > self._periods:
            self._periods = periods
            self._save(self.model)

    def _save(self, model: keras.Model) -> None:
        self.checkpoints.save(model, self.counter.batches, best=self.best, **self.facts())
