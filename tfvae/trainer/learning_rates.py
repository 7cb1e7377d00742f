"""Learning rates that change with the step, beyond those of Keras."""

from __future__ import annotations

import keras
import tensorflow as tf

__all__ = ["BURDA_EPOCHS", "WarmUp", "burda"]

# Passes over the data before each change: 3^0, 3^0 + 3^1, and so on.
BURDA_EPOCHS = tuple((3 ** (i + 1) - 1) // 2 for i in range(7))


@keras.saving.register_keras_serializable(package="tfvae")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A line from zero over the first steps, then another schedule from its beginning.

    At step t < steps the rate is that of the schedule's step 0 times (t + 1) / (steps + 1), so
    that the first update is not lost.

    Args:
        schedule: What follows: a `LearningRateSchedule` or a number.
        steps: Updates of the line.

    Example:
        >>> [round(float(WarmUp(1.0, 3)(step)), 2) for step in range(5)]
        [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, steps: int):
        self.schedule = schedule
        self.steps = int(steps)

    def __call__(self, step) -> tf.Tensor:
        """The learning rate of an update."""
        step = tf.cast(step, tf.float32)
        after = tf.maximum(step - self.steps, 0.0)
        rate = self.schedule(after) if callable(self.schedule) else self.schedule
        return tf.cast(rate, tf.float32) * tf.minimum((step + 1) / (self.steps + 1), 1.0)

    def get_config(self) -> dict:
        """The arguments of the constructor."""
        return {
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "steps": self.steps,
        }

    @classmethod
    def from_config(cls, config: dict) -> WarmUp:
        """Makes the schedule of its configuration."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["steps"])


def burda(
    learning_rate: float, updates_per_epoch: float
) -> keras.optimizers.schedules.PiecewiseConstantDecay:
    """The learning rate times 10^(−i/7) for 3^i epochs, i = 0 .. 7: 3280 epochs in all.

    Args:
        learning_rate: The first one; the paper's is 1e-3.
        updates_per_epoch: Updates of the weights in an epoch.

    Returns:
        The schedule; the last rate stays.

    Example:
        >>> schedule = burda(1e-3, updates_per_epoch=100)
        >>> round(float(schedule(99)), 8), round(float(schedule(100)), 8)
        (0.001, 0.00071969)

    References:
        Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", 2016, Section 5.
    """
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        # The boundary itself still has the rate before it: updates are counted from 0.
        [round(epochs * updates_per_epoch) - 1 for epochs in BURDA_EPOCHS],
        [learning_rate * 10 ** (-i / 7) for i in range(8)],
    )
