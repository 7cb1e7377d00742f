"""A trainable constant, in the place of a layer."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfvae.layers.sizes import event_shape_of
from tfvae.options.keywords import Unpack, UntypedLayerOptions

__all__ = ["VariableLayer"]


@keras.saving.register_keras_serializable(package="tfvae")
class VariableLayer(keras.layers.Layer):
    """Returns one trainable tensor, f(x) = c, whatever the input.

    Before a probability layer it makes a trainable distribution that depends on nothing.

    Args:
        shape: Shape of the tensor: an integer or a tuple.
        dtype: Data type of the weight and of the output; by default the policy's for variables,
            float32 under a mixed policy, for a parameter of a density.
        activation: Activation of the weight, as in `keras.layers.Dense`.
        initializer: Initializer of the weight.
        regularizer: Regularizer of the weight.
        constraint: Constraint of the weight.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> VariableLayer([3, 2], initializer="ones")(0.0).shape
        TensorShape([3, 2])
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        dtype=None,
        activation=None,
        initializer="zeros",
        regularizer=None,
        constraint=None,
        **kwargs: Unpack[UntypedLayerOptions],
    ):
        dtype = dtype or keras.config.dtype_policy().variable_dtype
        super().__init__(dtype=dtype, **kwargs)
        self.shape = event_shape_of(shape, "shape")
        self.activation = keras.activations.get(activation)
        self.initializer = keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)
        self.constraint = keras.constraints.get(constraint)
        self.constant = self.add_weight(
            shape=self.shape,
            initializer=self.initializer,
            regularizer=self.regularizer,
            constraint=self.constraint,
            name="constant",
        )

    def __call__(self, inputs=0.0, *args, **kwargs):
        """Calls the layer; Keras takes no plain number as a positional argument."""
        if isinstance(inputs, (int, float)):
            inputs = tf.convert_to_tensor(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs=None) -> tf.Tensor:
        """Returns the weight after its activation."""
        return self.activation(tf.convert_to_tensor(self.constant))

    def compute_output_spec(self, inputs=None):
        """Shape and dtype of the weight."""
        return keras.KerasTensor(self.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "shape": list(self.shape),
            "activation": keras.activations.serialize(self.activation),
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
            "constraint": keras.constraints.serialize(self.constraint),
        }
