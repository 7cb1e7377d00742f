"""Stops a training, or goes on, at a step whose loss or gradient is not finite."""

from __future__ import annotations

from collections.abc import Callable

import keras

from tfvae.errors import UserError
from tfvae.trainer.finite_guard import Guard
from tfvae.trainer.steps_per_call import batches_done

__all__ = ["FiniteSteps", "NotFiniteError"]

# Batches between two reads of the compiled function's count: each read waits for the device.
EVERY = 50


class NotFiniteError(UserError):
    """A loss or a gradient was not finite. The weights are those before that step."""


class FiniteSteps(keras.callbacks.Callback):
    """Leaves out steps whose loss or gradient is NaN or infinite, or stops at the first.

    The compiled step itself does so: the weights stay as they were before it. This reads its count
    now and then, and at the end of each epoch. It has to be in the list of callbacks of `fit`, not
    be set afterwards.

    Args:
        on_nan: `"stop"`, or `"skip"`: such a step is left out; its number and the data go on.
        cap: How many steps are left out before the training is stopped after all.
        explain: Takes the number of the batch in this `fit` and says what was not finite in it.

    Raises:
        NotFiniteError: From `fit`, at such a step.

    Example:
        >>> vae.fit(train, epochs=20, callbacks=[FiniteSteps("skip", cap=5)])
    """

    any_pace = True  # it need not see each batch: several steps may be taken in one call

    def __init__(
        self,
        on_nan: str = "stop",
        cap: int = 10,
        *,
        explain: Callable[[int], str] | None = None,
    ):
        super().__init__()
        if on_nan not in ("stop", "skip"):
            raise UserError(f"on_nan is {on_nan!r}: give 'stop' or 'skip'")
        self.cap = cap if on_nan == "skip" else 0
        self.explain = explain
        self.skipped = 0

    def set_model(self, model):
        """Puts the guard into the step, before the step is compiled."""
        super().set_model(model)
        if model.guard is None or model.guard.cap != self.cap:
            with model.distribute_strategy.scope():
                model.guard = Guard(self.cap)
            model.make_train_function(force=True)

    def on_train_begin(self, logs=None):
        """Counts from here."""
        self.model.guard.begin(self.skipped)
        self._looked = 0

    def on_train_batch_end(self, batch, logs=None):
        """Reads the count every so many batches."""
        done = batches_done(batch, self.params.get("steps"))
        if done - self._looked >= EVERY:
            self._looked = done
            self.look()

    def on_epoch_end(self, epoch, logs=None):
        """Reads the count."""
        self._looked = 0
        self.look()

    def look(self) -> int:
        """Reads the count.

        Returns:
            Steps left out so far.

        Raises:
            NotFiniteError: If the training is to be stopped.
        """
        _, self.skipped, stopped = self.model.guard.state.numpy().tolist()
        if stopped < 0:
            return self.skipped
        step = int(self.model.step.numpy()) + 1
        what = (
            self.explain(stopped) if self.explain else "its loss or a gradient is NaN or infinite"
        )
        left = f", after {self.skipped} that were left out" if self.cap else ""
        remedy = (
            "look at the data and the learning rate, or raise the cap"
            if self.cap
            else "lower the learning rate, or leave such steps out with on_nan=skip"
        )
        raise NotFiniteError(f"step {step} is not finite{left}: {what}; {remedy}")
