"""Numbers that change with the training step: beta, capacity, temperature.

A schedule is a function of the step, computed in the graph: nothing is frozen when a step is
traced, and a resumed run needs no callback, for the step is all the state there is.
"""

from __future__ import annotations

import math
import numbers

import keras
import tensorflow as tf

from tfvae.errors import UserError

__all__ = ["Constant", "Cosine", "Cyclical", "Linear", "Schedule", "get"]


class Schedule:
    """Base: `value(step)` is a float32 scalar tensor.

    A concrete schedule defines `value` and `get_config`.
    """

    def value(self, step: tf.Tensor) -> tf.Tensor:
        """The number at a step.

        Args:
            step: Steps taken so far, a float32 scalar.

        Returns:
            A float32 scalar.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define value(step)")

    def __call__(self, step) -> tf.Tensor:
        """The number at a step, given as any number or tensor."""
        return tf.cast(self.value(tf.cast(step, tf.float32)), tf.float32)

    def get_config(self) -> dict:
        """The arguments of the constructor."""
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict) -> Schedule:
        """Makes the schedule of its configuration."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="tfvae")
class Constant(Schedule):
    """The same number at every step.

    Example:
        >>> float(Constant(4.0)(1000))
        4.0
    """

    def __init__(self, constant: float):
        self.constant = float(constant)

    def value(self, step):
        """The constant."""
        return tf.constant(self.constant, tf.float32)


class _Ramp(Schedule):
    """From `start` to `end` over `steps`, after `delay` steps; a subclass gives the shape."""

    def __init__(self, start: float, end: float, steps: int, *, delay: int = 0):
        if steps < 1 or delay < 0:
            raise UserError(f"a ramp takes steps >= 1 and delay >= 0, got {steps} and {delay}")
        self.start, self.end = float(start), float(end)
        self.steps, self.delay = int(steps), int(delay)

    def shape(self, fraction: tf.Tensor) -> tf.Tensor:
        """Maps [0, 1] onto [0, 1]."""
        raise NotImplementedError(f"{type(self).__name__} has to define shape(fraction)")

    def value(self, step):
        """The number at a step."""
        fraction = tf.clip_by_value((step - self.delay) / self.steps, 0.0, 1.0)
        return self.start + (self.end - self.start) * self.shape(fraction)


@keras.saving.register_keras_serializable(package="tfvae")
class Linear(_Ramp):
    """A straight line from `start` to `end`: warm-up (Sønderby et al., 2016).

    Args:
        start: The number before and at step `delay`.
        end: The number from step `delay + steps` on.
        steps: Length of the ramp in steps.
        delay: Steps before the ramp begins.

    Example:
        >>> float(Linear(0.0, 1.0, steps=100)(25))
        0.25
    """

    def shape(self, fraction):
        """The line itself."""
        return fraction


@keras.saving.register_keras_serializable(package="tfvae")
class Cosine(_Ramp):
    """Half a cosine from `start` to `end`: level at both ends.

    Args:
        start: The number before and at step `delay`.
        end: The number from step `delay + steps` on.
        steps: Length of the ramp in steps.
        delay: Steps before the ramp begins.

    Example:
        >>> round(float(Cosine(0.0, 1.0, steps=100)(50)), 4)
        0.5
    """

    def shape(self, fraction):
        """The raised cosine."""
        return 0.5 - 0.5 * tf.cos(math.pi * fraction)


@keras.saving.register_keras_serializable(package="tfvae")
class Cyclical(Schedule):
    """A linear ramp that begins anew each cycle.

    Within a cycle of `period` steps the number rises from `start` to `end` during the first
    `ramp` share and stays there for the rest.

    Args:
        start: The number at the start of a cycle.
        end: The number at its end.
        period: Steps in a cycle.
        ramp: Share of the cycle in which the number rises, in (0, 1].

    Example:
        >>> cyclical = Cyclical(0.0, 1.0, period=100)
        >>> [round(float(cyclical(step)), 4) for step in (0, 25, 75, 100)]
        [0.0, 0.5, 1.0, 0.0]

    References:
        Fu et al., "Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing",
        2019, Eq. 6-7.
    """

    def __init__(self, start: float, end: float, period: int, *, ramp: float = 0.5):
        if period < 1 or not 0.0 < ramp <= 1.0:
            raise UserError(f"a cycle takes period >= 1 and 0 < ramp <= 1, got {period}, {ramp}")
        self.start, self.end = float(start), float(end)
        self.period, self.ramp = int(period), float(ramp)

    def value(self, step):
        """The number at a step."""
        phase = tf.math.floormod(step, float(self.period)) / self.period
        return self.start + (self.end - self.start) * tf.minimum(phase / self.ramp, 1.0)


def get(value: float | Schedule) -> Schedule:
    """Makes a schedule of a number, and leaves a schedule as it is.

    Args:
        value: A number or a schedule.

    Returns:
        A schedule.

    Raises:
        UserError: If it is neither.
    """
    if isinstance(value, Schedule):
        return value
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return Constant(value)
    raise UserError(f"expected a number or a tfvae.schedules.Schedule, got {value!r}")
