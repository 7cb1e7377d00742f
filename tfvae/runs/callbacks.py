"""What happens beside the training steps: the data's epoch and a clock."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from tfvae.runs.checkpoints import restore_rest
from tfvae.trainer.steps_per_call import batches_done

__all__ = ["Clock", "EpochOfData"]


class EpochOfData(keras.callbacks.Callback):
    """Tells the data which epoch it is, and counts the batches of the whole run.

    The rest of an epoch that was cut off goes on with the epoch's metrics as well.

    Args:
        epoch: The variable that the data set reads: its order is a function of it.
        steps: Batches in an epoch.

    Attributes:
        batches: Batches that the model has been trained on, those of earlier calls included.
        first: Batches of the epoch to come that are done already.
    """

    def __init__(self, epoch: tf.Variable, steps: int):
        super().__init__()
        self.epoch, self.steps = epoch, steps
        self.batches = 0
        self.first = 0
        self._rest: Sequence | None = None

    def go_on_within_epoch(self, first: int, rest: Sequence) -> None:
        """Prepares for the rest of an epoch.

        Args:
            first: Batches of it that are done.
            rest: As in the record of the checkpoint: the metrics after those batches among them.
        """
        self.first, self._rest = first, rest

    def on_epoch_begin(self, epoch, logs=None):
        """Writes the epoch down before the first batch is drawn."""
        self.epoch.assign(epoch)
        self.batches = self._base = epoch * self.steps + self.first
        self.first = 0
        if self._rest is not None:  # Keras has reset the metrics just before
            restore_rest(self.model, self._rest)
            self._rest = None

    def on_train_batch_end(self, batch, logs=None):
        """Counts."""
        self.batches = self._base + batches_done(batch, self.params.get("steps"))


class Clock(keras.callbacks.Callback):
    """Measures how fast the training goes, validation left out.

    Args:
        batch_size: Examples in a batch, over all replicas.

    Attributes:
        seconds: Of the latest epoch's batches.
        images_per_second: In the latest epoch.
    """

    def __init__(self, batch_size: int):
        super().__init__()
        self.batch_size = batch_size
        self.seconds = self.images_per_second = 0.0

    def times(self, logs: Mapping | None = None) -> dict[str, float]:
        """What the clock says, by name."""
        return {"seconds": self.seconds, "images_per_second": self.images_per_second}

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self._start = time.perf_counter()
        self.seconds = self.images_per_second = 0.0

    def on_train_batch_end(self, batch, logs=None):
        """Reads the clock."""
        self.seconds = time.perf_counter() - self._start
        self.images_per_second = (
            batches_done(batch, self.params.get("steps")) * self.batch_size / self.seconds
        )
