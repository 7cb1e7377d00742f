"""What `fit` and `evaluate` show of their progress: a line an epoch, no wider than the terminal."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from collections.abc import Mapping

import keras

from tfvae.distributions.keras_compat import batches_counter
from tfvae.trainer.keras_compat import called_in_fit
from tfvae.trainer.steps_per_call import batches_done

__all__ = ["ProgressLine", "line_of"]

TERMS = ("elbo", "energy", "distortion", "rate")  # the equation; nats, but for an energy
SHORT = {"distortion": "dist"}
EVERY = 0.2  # seconds between two updates of the line on a terminal
LEFT = len(", 0:00 left")
WIDE = 100  # columns, where the terminal's width is unknown


class ProgressLine(keras.callbacks.ProgbarLogger):
    """Shows an epoch as one line: number, ELBO, distortion, rate, their validation values, time.

    Keras's own line has all logs, and wraps several times. On a terminal and in a notebook, the
    line is that of the steps done until the epoch ends. In a file there are no carriage returns.
    Of several workers the chief alone has one.

    Args:
        everything: Whether all logs follow the line, indented.

    Example:
        >>> vae.fit(train, epochs=20, verbose="all")
    """

    async_safe = True  # as Keras's own bar: no step waits for the screen

    def __init__(self, *, everything: bool = False):
        super().__init__()
        self.everything = everything
        self._epoch = self._drawn = 0
        self._first: int | None = None
        self._shown = 0.0

    def on_train_begin(self, logs=None):
        """Starts the clock from which the time left is estimated."""
        super().on_train_begin(logs)
        self._begin, self._first = time.perf_counter(), None

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the epoch's clock."""
        self._epoch, self._first = epoch, epoch if self._first is None else self._first
        self._start = self._shown = time.perf_counter()
        self._base = self._batches()

    def on_train_batch_end(self, batch, logs=None):
        """Shows the steps that are done, on a terminal or in a notebook."""
        now = time.perf_counter()
        if self.verbose != 1 or now - self._shown < EVERY or not _is_live():
            return
        self._shown = now
        done = batches_done(batch, self.target)
        done = done if self.target else self._batches() - self._base
        total = f"/{self.target}" if self.target else ""
        seconds = now - self._start
        left = self.target and seconds * (self.target / done - 1) if done else None
        if left is not None and self._epoch > self._first:
            left += (self.epochs - self._epoch - 1) * self._seconds_an_epoch(self._epoch, now)
        self._draw(
            line_of(
                f"{self._epoch + 1}/{self.epochs}", logs or {}, seconds, left, columns=_columns(),
                steps=f"step {done}{total}",
            ),
            end="",
        )  # fmt: skip

    def on_epoch_end(self, epoch, logs=None):
        """Writes the epoch's line."""
        if not self.verbose:
            return
        now, columns = time.perf_counter(), _columns()
        ahead = self.epochs - epoch - 1
        left = ahead * self._seconds_an_epoch(epoch + 1, now) if ahead else None
        if columns and not ahead and epoch > self._first:
            columns = max(columns - LEFT, 1)  # so that the last line has the form of the others
        steps = self._batches() - self._base if not self.target else None
        line = line_of(
            f"{epoch + 1}/{self.epochs}", logs or {}, now - self._start, left,
            columns=columns, steps=steps and f"{steps} steps",
        )  # fmt: skip
        self._draw(line)
        if self.everything:
            print(_paragraph(logs or {}), flush=True)

    def on_test_begin(self, logs=None):
        """Starts the clock of `evaluate`."""
        if not called_in_fit(self):
            self._start = time.perf_counter()

    def on_test_batch_end(self, batch, logs=None):
        """Shows nothing: the line is written at the end."""

    def on_test_end(self, logs=None):
        """Writes the line of `evaluate`."""
        if not called_in_fit(self) and self.verbose:
            seconds = time.perf_counter() - self._start
            self._draw(line_of("evaluate", logs or {}, seconds, None, columns=_columns()))
            if self.everything:
                print(_paragraph(logs or {}), flush=True)

    def _batches(self) -> int:
        """Batches that the optimizer has seen: Keras counts whole calls of several steps."""
        return int(keras.ops.convert_to_numpy(batches_counter(self.model.optimizer)))

    def _seconds_an_epoch(self, epoch: int, now: float) -> float:
        return (now - self._begin) / max(epoch - self._first, 1)

    def _draw(self, line: str, end: str = "\n") -> None:
        """Overwrites the line that was drawn before."""
        back = "\r" if self._drawn or not end else ""
        print(back + line.ljust(self._drawn), end=end, flush=True)
        self._drawn = 0 if end else len(line)


def line_of(
    name: str,
    logs: Mapping,
    seconds: float,
    left: float | None,
    *,
    columns: int | None,
    steps: str | None = None,
) -> str:
    """Writes an epoch's line, with as much of it as there is room for.

    Args:
        name: What stands at the front, such as the number of the epoch.
        logs: Values by name, in nats; those of validation with `val_` in front.
        seconds: What it took.
        left: Seconds until all is done; None where that is unknown or over.
        columns: Characters that the line may have; None: as many as it takes.
        steps: The steps done, in words.

    Returns:
        The line.

    Example:
        >>> line_of("3/9", {"elbo": -98.123, "val_elbo": -99.5}, 4.2, 65, columns=80)
        '3/9  elbo -98.12 (val -99.50)  4.2 s, 1:05 left'
    """
    terms = [term for term in TERMS if term in logs] or [term for term in ["loss"] if term in logs]
    lines = [
        _join(name, logs, terms, validated, short, steps, seconds, left)
        for validated, short in (
            (terms, False), (terms, True), (terms[:1], True), ((), True),
        )
    ]  # fmt: skip
    lines.append(_join(name, logs, terms[:1], (), True, None, seconds, left))
    if columns is None:
        return lines[0]
    return next((line for line in lines if len(line) <= columns), lines[-1][:columns])


def _join(name, logs, terms, validated, short, steps, seconds, left) -> str:
    parts = [name, steps] if steps else [name]
    for number, term in enumerate(terms):
        text = f"{SHORT.get(term, term) if short else term} {_number(logs[term])}"
        if term in validated and f"val_{term}" in logs:
            word = "val " if not number else ""
            text += f" ({word}{_number(logs['val_' + term])})"
        parts.append(text)
    time_left = "" if left is None else f", {_duration(left)} left"
    return (" " if short else "  ").join([*parts, f"{_seconds(seconds)}{time_left}"])


def _number(value) -> str:
    """Two digits behind the point; fewer for large numbers."""
    value = float(value)
    if abs(value) >= 1e6:
        return f"{value:.3g}"
    return f"{value:.{2 if abs(value) < 1000 else 1 if abs(value) < 10_000 else 0}f}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else _duration(seconds)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _paragraph(logs: Mapping) -> str:
    """All values, indented below the line."""
    text = "  ".join(
        f"{name} {float(value):.6g}".replace(" ", "\0") for name, value in logs.items()
    )
    width = _columns() or WIDE
    lines = textwrap.fill(text, width, initial_indent="    ", subsequent_indent="    ")
    return lines.replace("\0", " ")


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules and type(sys.stdout).__module__.startswith(
        ("ipykernel", "google.colab")
    )


def _is_live() -> bool:
    """Whether a line can be overwritten: on a terminal and in a notebook."""
    terminal = getattr(sys.stdout, "isatty", lambda: False)()
    return keras.config.is_interactive_logging_enabled() and (terminal or _in_notebook())


def _columns() -> int | None:
    """The width to keep within; None in a file."""
    if _in_notebook():
        return WIDE
    return shutil.get_terminal_size((WIDE, 24)).columns - 1 if _is_live() else None
