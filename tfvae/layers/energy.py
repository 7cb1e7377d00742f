"""The base of the energies that stand in the place of a likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.batch_axes import fold
from tfvae.distributions.energies import Energy
from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer
from tfvae.options.bounds import Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["EnergyLayer"]


class EnergyLayer(DistributionLayer):
    """Base of the energies: the decoder makes an image x̂ = sigmoid(parameters), held against x.

    A concrete energy defines `energy`.

    Args:
        event_shape: Shape of one image, `(height, width, channels)`.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        weight: What the energy is multiplied by, beside the rate in nats.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        event_shape: Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        weight: Positive = 100.0,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        if len(self.event_shape) != 3:
            raise UserError(
                f"{type(self).__name__} takes images of shape (height, width, channels), got the "
                f"event shape {self.event_shape}: add the channel axis"
            )
        if not weight > 0:
            raise UserError(f"weight takes a number above 0, got {weight!r}")
        self.weight = weight

    def energy(self, x: tf.Tensor, made: tf.Tensor) -> tf.Tensor:
        """How far images are from those that were made, `[n, height, width, channels]`: `[n]`."""
        raise NotImplementedError(f"{type(self).__name__} has to define energy(x, made)")

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the energy of one batch of parameters."""

        def of_batch(x, made):
            batch, static = tf.shape(x)[:-3], [None, *self.event_shape]
            x, made = (tf.ensure_shape(fold(image, 3), static) for image in (x, made))
            return tf.reshape(self.weight * self.energy(x, made), batch)

        (params,) = self.split(params)
        return Energy(tf.sigmoid(params), of_batch, 3, type(self).__name__)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "weight": self.weight}
