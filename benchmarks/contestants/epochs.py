"""Turns in the epochs of Keras's `fit`."""

from __future__ import annotations

import keras

from benchmarks.turns import Turns

__all__ = ["Epochs"]


class Epochs(keras.callbacks.Callback):
    """Waits for a turn before each epoch, and answers behind it.

    Args:
        turns: The turns.
    """

    def __init__(self, turns: Turns):
        super().__init__()
        self._turns = turns

    def on_epoch_begin(self, epoch, logs=None):
        """Waits."""
        self._turns.begin()

    def on_epoch_end(self, epoch, logs=None):
        """Answers."""
        self._turns.end(logs["loss"])
