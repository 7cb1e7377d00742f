"""Numbers of a layer that may change as training goes on."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

__all__ = ["at_step", "count_steps"]


def count_steps(layer: keras.layers.Layer) -> None:
    """Gives a layer the weight `step`: the number of its calls with `training=True`.

    It is a weight, so that it is saved and a resumed run goes on; a replicated layer counts the
    steps of one replica.

    Args:
        layer: The layer, whose `call` adds 1 in training.
    """
    if getattr(layer, "step", None) is None:
        layer.step = layer.add_weight(
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
            name="step",
        )


def at_step(number: float | Callable, layer: keras.layers.Layer | None):
    """The number now: itself, or the schedule's value at the layer's latest training step.

    Args:
        number: A number, or a function of the step, such as `tfvae.schedules.Linear(0, 1, 1000)`.
        layer: The layer that counts; None where `number` is no schedule.

    Returns:
        A number or a float32 scalar tensor. The first training step is step 0.
    """
    if not callable(number):
        return number
    latest = tf.maximum(tf.convert_to_tensor(layer.step) - 1, 0)
    return tf.cast(number(latest), tf.float32)
