"""Ctrl-C and SIGTERM: a stop where the state is whole."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Sequence

import keras

from tfvae.trainer.steps_per_call import batches_done

__all__ = ["Interrupted", "StopOnSignal"]


class Interrupted(Exception):  # noqa: N818 - no error: the user asked for it
    """The run was asked to stop.

    Attributes:
        signal: By which signal.
    """

    def __init__(self, number: int = signal.SIGINT):
        super().__init__(signal.Signals(number).name)
        self.signal = number


class StopOnSignal(keras.callbacks.Callback):
    """Turns Ctrl-C and SIGTERM into a stop between two batches, where the state is whole.

    Outside of a `fit`, and at a second signal, the stop is at once.

    Args:
        together: Adds up numbers over all workers of a cluster: they stop at the same batch.
    """

    def __init__(self, together: Callable[[Sequence[int]], Sequence[int]] = list):
        super().__init__()
        self._together = together
        self._asked: int | None = None
        self._fitting = False

    @contextlib.contextmanager
    def listening(self):
        """Listens to the signals while the block runs."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python delivers signals to the main thread only
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._ask) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def fitting(self):
        """Puts a stop off until a batch is done, while the block runs."""
        self._fitting = True
        try:
            yield
        finally:
            self._fitting = False

    def _ask(self, number, frame):
        if self._asked is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked = self._asked or number
        if not self._fitting:
            raise Interrupted(self._asked)

    def _stop_if_asked(self):
        kinds = (signal.SIGTERM, signal.SIGINT)
        asked = self._together([int(self._asked == kind) for kind in kinds])
        for kind, count in zip(kinds, asked, strict=True):
            if count:
                raise Interrupted(kind)

    def on_train_batch_end(self, batch, logs=None):
        """Stops here if asked to, but not before the validation of a whole epoch."""
        if batches_done(batch, self.params.get("steps")) != self.params.get("steps"):
            self._stop_if_asked()

    def on_epoch_end(self, epoch, logs=None):
        """Stops after a validation, which is not cut short: its row belongs to the metrics."""
        self._stop_if_asked()
