"""What the relaxed discrete layers share: a temperature, and exact draws with a gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer
from tfvae.layers.steps import at_step, count_steps
from tfvae.options.bounds import Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["RelaxedLayer", "exact_with_gradient_of"]


def exact_with_gradient_of(soft: tf.Tensor, hard: tf.Tensor) -> tf.Tensor:
    """The exact draws, whose gradient is that of the relaxed ones.

    Args:
        soft: The relaxed draws.
        hard: The exact draws, of the same shape and type.

    Returns:
        The values of `hard`.

    Example:
        >>> soft = tf.constant([0.3, 0.7])
        >>> exact_with_gradient_of(soft, tf.round(soft)).numpy()
        array([0., 1.], dtype=float32)
    """
    return hard + (soft - tf.stop_gradient(soft))


class RelaxedLayer(DistributionLayer):
    """Base: a relaxed distribution at a temperature, or its limit with the relaxed gradient.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        temperature: τ, a number or a schedule (a function of the step); the layer counts its
            training calls.
        straight_through: Whether samples are exact.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    roles = ("posterior",)

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        temperature: Positive | Callable = 0.5,
        straight_through: bool = False,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        if not (callable(temperature) or temperature > 0):
            raise UserError(f"temperature takes a number above 0, got {temperature!r}")
        self.temperature = temperature
        self.straight_through = straight_through
        if callable(temperature):
            count_steps(self)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the distributions of `[*batch, params_size]` logits."""
        (logits,) = self.split(params)
        return self.at_temperature(logits, tf.cast(at_step(self.temperature, self), logits.dtype))

    def at_temperature(self, logits: tf.Tensor, temperature: tf.Tensor) -> tfd.Distribution:
        """Makes the distributions of logits of the event's shape at the temperature of the step."""
        raise NotImplementedError(f"{type(self).__name__} has to define at_temperature(...)")

    def get_config(self) -> dict:
        """Configuration for saving."""
        schedule = self.temperature
        if callable(schedule):
            schedule = keras.saving.serialize_keras_object(schedule)
        own = {"temperature": schedule, "straight_through": self.straight_through}
        return {**super().get_config(), **own}
