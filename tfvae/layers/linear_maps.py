"""The linear maps of Bayesian layers: a dense one and the convolutions."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.layers.sizes import count_of, event_shape_of
from tfvae.options.keywords import ConvolutionOptions, FactorizedOptions, Unpack

__all__ = ["ConvolutionMap", "DenseMap"]


def _channels(input_shape, axis: int) -> int:
    if input_shape[axis] is None:
        raise UserError(f"axis {axis} of the input has to be known, got {tuple(input_shape)}")
    return int(input_shape[axis])


class DenseMap:
    """linear(x, W) = x W over the last axis.

    Args:
        units: Length of the output's last axis.
        activation: Keras activation.
        activity_regularizer: Keras regularizer of the output.
        trainable: Whether the weights are trained.
        **kwargs: Arguments of the base beside this one.
    """

    def __init__(
        self,
        units: int,
        activation=None,
        activity_regularizer=None,
        trainable=True,
        **kwargs: Unpack[FactorizedOptions],
    ):
        super().__init__(
            activation=activation,
            activity_regularizer=activity_regularizer,
            trainable=trainable,
            **kwargs,
        )
        self.units = count_of("units", units)
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def kernel_shape(self, input_shape) -> tuple[int, ...]:
        """`[inputs, units]`."""
        return (_channels(input_shape, -1), self.units)

    def linear(self, inputs, kernel):
        """Maps `[*batch, inputs]` to `[*batch, units]`."""
        return keras.ops.matmul(inputs, kernel)

    def add_bias(self, outputs: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """Adds `[units]` to the last axis."""
        return outputs + bias

    def sign_shape(self, tensor: tf.Tensor) -> tf.Tensor:
        """Shape of random signs: one for each row and channel."""
        return tf.shape(tensor)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "units": self.units}


class ConvolutionMap:
    """linear(x, W) = x ∗ W, a convolution over `rank` axes.

    Args:
        filters: Number of output channels.
        kernel_size: Length of the window: an integer, or one for each axis.
        strides: Step of the window, likewise.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: Distance of the window's points, likewise.
        activation: Keras activation.
        activity_regularizer: Keras regularizer of the output.
        **kwargs: Arguments of the base beside this one.
    """

    rank: int

    def __init__(
        self,
        filters: int,
        kernel_size,
        strides=1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate=1,
        activation=None,
        activity_regularizer=None,
        **kwargs: Unpack[ConvolutionOptions],
    ):
        super().__init__(activation=activation, activity_regularizer=activity_regularizer, **kwargs)
        self.filters = count_of("filters", filters)
        self.kernel_size = self._each_axis("kernel_size", kernel_size)
        self.strides = self._each_axis("strides", strides)
        self.dilation_rate = self._each_axis("dilation_rate", dilation_rate)
        self.padding = padding.lower()
        self.data_format = data_format.lower()
        if self.padding not in ("valid", "same"):
            raise UserError(f"padding takes 'valid' or 'same', got {padding!r}")
        if self.data_format not in ("channels_last", "channels_first"):
            raise UserError(
                f"data_format takes 'channels_last' or 'channels_first', got {data_format!r}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    def _each_axis(self, name: str, value) -> tuple[int, ...]:
        values = event_shape_of(value, name)
        values = values * self.rank if len(values) == 1 else values
        if len(values) != self.rank:
            raise UserError(
                f"{name} takes a positive integer or {self.rank} of them, got {value!r}"
            )
        return values

    def kernel_shape(self, input_shape) -> tuple[int, ...]:
        """`[*kernel_size, inputs, filters]`."""
        axis = 1 if self.data_format == "channels_first" else -1
        return (*self.kernel_size, _channels(input_shape, axis), self.filters)

    def linear(self, inputs, kernel):
        """Maps `[batch, *space, inputs]` to `[batch, *space, filters]`."""
        return keras.ops.conv(
            inputs,
            kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def add_bias(self, outputs: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """Adds `[filters]` to the channels."""
        if self.data_format == "channels_first":
            bias = tf.reshape(bias, [-1] + [1] * self.rank)
        return outputs + bias

    def sign_shape(self, tensor: tf.Tensor) -> tf.Tensor:
        """Shape of random signs: one for each example and channel, the same at all places."""
        shape, ones = tf.shape(tensor), [1] * self.rank
        if self.data_format == "channels_first":
            return tf.concat([shape[:2], ones], axis=0)
        return tf.concat([shape[:1], ones, shape[-1:]], axis=0)

    def get_config(self) -> dict:
        """Configuration for saving."""
        names = ["filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate"]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
