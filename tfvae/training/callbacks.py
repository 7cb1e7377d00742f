"""What happens beside the training steps: the data's epoch, the metrics file, a clock, Ctrl-C."""

from __future__ import annotations

import contextlib
import csv
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfvae.pace import batches_done

__all__ = [
    "Clock",
    "EpochOfData",
    "Interrupted",
    "MetricsFile",
    "StopOnSignal",
    "read_metrics",
]


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
        self._terms = ()

    def go_on_within_epoch(self, first: int, terms: Sequence[np.ndarray]) -> None:
        """Prepares for the rest of an epoch.

        Args:
            first: Batches of it that are done.
            terms: State of the model's metric after those batches.
        """
        self.first, self._terms = first, terms

    def on_epoch_begin(self, epoch, logs=None):
        """Writes the epoch down before the first batch is drawn."""
        self.epoch.assign(epoch)
        self._base, self.first = epoch * self.steps + self.first, 0
        # Keras has just set these to zero.
        for variable, value in zip(self.model.terms.variables, self._terms, strict=False):
            variable.assign(value)
        self._terms = ()

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


class MetricsFile(keras.callbacks.Callback):
    """Writes a row an epoch; a resumed run goes on behind the rows of the epochs it has done.

    Args:
        path: The CSV file.
        clock: Measures the epochs.
        epochs_done: Epochs before this call: later rows in the file are of a run that was cut off.
    """

    def __init__(self, path: Path, clock: Clock, *, epochs_done: int):
        super().__init__()
        self.path, self.clock = path, clock
        self.rows = [row for row in read_metrics(path) if int(row["epoch"]) <= epochs_done]

    def on_epoch_end(self, epoch, logs=None):
        """Adds the row and writes the file anew, whole or not at all."""
        speed = {n: getattr(self.clock, n) for n in ("seconds", "images_per_second")}
        values = {n: f"{float(value):.8g}" for n, value in {**(logs or {}), **speed}.items()}
        self.rows.append({"epoch": str(epoch + 1), **values})
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        part = self.path.with_name(self.path.name + ".part")
        with part.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self.rows)
        part.replace(self.path)


def read_metrics(path: Path) -> list[dict[str, str]]:
    """Reads the rows of a metrics file; none where there is no file.

    Args:
        path: The CSV file.

    Returns:
        A dict of column to text for each epoch.
    """
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class Interrupted(Exception):  # noqa: N818 - no error: somebody asked for it
    """The run was asked to stop, between two batches."""


class StopOnSignal(keras.callbacks.Callback):
    """Turns Ctrl-C and SIGTERM into a stop between two batches, where the state is whole.

    A second Ctrl-C stops at once.
    """

    def __init__(self):
        super().__init__()
        self._asked = False

    @contextlib.contextmanager
    def listening(self):
        """Listens to the signals while the block runs."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python gives signals to the main thread alone
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._ask) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask(self, number, frame):
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def _stop_if_asked(self):
        if self._asked:
            raise Interrupted

    def on_train_batch_end(self, batch, logs=None):
        """Stops here if asked to, but not before the validation of a whole epoch."""
        if batches_done(batch, self.params.get("steps")) != self.params.get("steps"):
            self._stop_if_asked()

    def on_epoch_end(self, epoch, logs=None):
        """Stops after a validation, which is not cut short: its row belongs to the metrics."""
        self._stop_if_asked()
