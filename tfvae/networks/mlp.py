"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

import keras

__all__ = ["MLP"]


@keras.saving.register_keras_serializable(package="tfvae")
class MLP(keras.layers.Layer):
    """Dense layers on the flattened input.

    Args:
        hidden: Units of each layer.
        activation: Name of a Keras activation, or a registered callable.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> MLP([200, 100])(tf.zeros([4, 28, 28, 1])).shape
        TensorShape([4, 100])
    """

    def __init__(self, hidden: Sequence[int] = (200, 200), activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.hidden = [int(n) for n in hidden]
        self.activation = keras.activations.get(activation)
        self.flatten = keras.layers.Flatten(dtype=self.dtype_policy)
        self.stack = [
            keras.layers.Dense(n, activation=self.activation, dtype=self.dtype_policy)
            for n in self.hidden
        ]

    def build(self, input_shape):
        """Makes the weights for inputs `[batch, *shape]`."""
        self.flatten.build(input_shape)
        shape = self.flatten.compute_output_shape(input_shape)
        for layer in self.stack:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, x):
        """Maps `[batch, *shape]` to features `[batch, hidden[-1]]`."""
        x = self.flatten(x)
        for layer in self.stack:
            x = layer(x)
        return x

    def compute_output_shape(self, input_shape):
        """Shape of the features."""
        if self.stack:
            return (input_shape[0], self.hidden[-1])
        return self.flatten.compute_output_shape(input_shape)

    def get_config(self) -> dict:
        """Configuration for saving."""
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "hidden": self.hidden, "activation": activation}
