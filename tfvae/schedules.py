"""Numbers that change with the training step: beta, capacity, temperature.

A schedule is a function of the step, computed in the graph: nothing is frozen when a step is
traced, and a resumed run needs no callback, for the step is all the state there is.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable

import keras
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.lazy import public

__all__ = [
    "Constant",
    "Cosine",
    "Cyclical",
    "FunctionOfStep",
    "LearningRate",
    "Linear",
    "Schedule",
    "Scheduled",
    "get",
]
__dir__ = public(__all__)


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


@keras.saving.register_keras_serializable(package="tfvae")
class LearningRate(Schedule):
    """A learning-rate schedule of Keras, for any number.

    Args:
        schedule: A `keras.optimizers.schedules.LearningRateSchedule`.

    Example:
        >>> decay = keras.optimizers.schedules.PiecewiseConstantDecay([100], [1.0, 0.1])
        >>> round(float(LearningRate(decay)(500)), 4)
        0.1
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule):
        if isinstance(schedule, dict):
            schedule = keras.saving.deserialize_keras_object(schedule)
        self.schedule = schedule

    def value(self, step):
        """What Keras's schedule gives at the step."""
        return self.schedule(step)

    def get_config(self) -> dict:
        """The arguments of the constructor."""
        return {"schedule": keras.saving.serialize_keras_object(self.schedule)}


@keras.saving.register_keras_serializable(package="tfvae")
class FunctionOfStep(Schedule):
    """A function of the step.

    It is traced into the graph of a training step, so it is made of TensorFlow or Keras
    operations; `if` on the step is converted as in any `tf.function`. To be saved with a model it
    is registered with `keras.saving.register_keras_serializable()`.

    Args:
        function: Takes the steps taken so far, a float32 scalar, and returns one number.

    Raises:
        UserError: If it does not; when it is saved and not registered.

    Example:
        >>> halving = FunctionOfStep(lambda step: 0.5 ** (step / 100))
        >>> float(halving(200))
        0.25
    """

    def __init__(self, function: Callable[[tf.Tensor], tf.Tensor | float]):
        if isinstance(function, dict):
            function = keras.saving.deserialize_keras_object(function)
        self.function = function
        self._traced = tf.function(function)
        try:
            with tf.init_scope():
                first = tf.convert_to_tensor(self._traced(tf.constant(0.0)))
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
            raise UserError(
                f"{_name_of(function)} cannot be traced as a function of the step, make it of "
                f"TensorFlow or Keras operations: {reason}"
            ) from error
        if first.shape != () or not (first.dtype.is_floating or first.dtype.is_integer):
            raise UserError(
                f"{_name_of(function)} has to return one number for a step, and returns a tensor "
                f"of shape {list(first.shape)} and type {first.dtype.name}"
            )

    def value(self, step):
        """What the function returns for the step."""
        return self._traced(step)

    def get_config(self) -> dict:
        """The arguments of the constructor.

        Raises:
            UserError: If the function is not registered: a saved model would not find it again.
        """
        if keras.saving.get_registered_object(_registered_name(self.function)) is None:
            raise UserError(
                f"{_name_of(self.function)} cannot be saved: decorate it with "
                "@keras.saving.register_keras_serializable(), take a schedule of tfvae.schedules, "
                "or assign a number before saving"
            )
        return {"function": keras.saving.serialize_keras_object(self.function)}


def _name_of(function: Callable) -> str:
    return f"the function {getattr(function, '__name__', type(function).__name__)!r}"


def _registered_name(function: Callable) -> str:
    named = hasattr(function, "__name__")
    return keras.saving.get_registered_name(function) if named else ""


Scheduled = float | Schedule | keras.optimizers.schedules.LearningRateSchedule | Callable


def get(value: Scheduled, name: str = "a scheduled number") -> Schedule:
    """Makes a schedule of what stands for a number at each step.

    Args:
        value: A number, a schedule of this module, a learning-rate schedule of Keras, or a
            function of the step.
        name: How a message calls it.

    Returns:
        A schedule; one of this module is returned as it is.

    Raises:
        UserError: If it is none of these.

    Example:
        >>> float(get(keras.optimizers.schedules.ExponentialDecay(1.0, 10, 0.5))(20))
        0.25
    """
    if isinstance(value, Schedule):
        return value
    if isinstance(value, keras.optimizers.schedules.LearningRateSchedule):
        return LearningRate(value)
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value):
        return Constant(value)
    if callable(value):
        return FunctionOfStep(value)
    raise UserError(
        f"{name} takes a number, a schedule of tfvae.schedules or of Keras, or a function of the "
        f"step, got {value!r}"
    )
