"""A masked autoregressive network (MADE)."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfvae.errors import UserError, unknown_name
from tfvae.layers.autoregressive_masks import autoregressive_masks
from tfvae.layers.sizes import count_of, event_shape_of
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["AutoregressiveNetwork"]


@keras.saving.register_keras_serializable(package="tfvae")
class AutoregressiveNetwork(keras.layers.Layer):
    """MADE: parameters of p(x) = Π_i p(x_i | x_j before i), all of them in one pass.

    It maps `[*batch, D]` to `[*batch, D, params]`. The parameters of x_i depend on no x_j that
    comes at or after i in the order. It is float32 under a mixed precision policy, as it makes
    parameters of densities.

    Args:
        params: Number of parameters for each input.
        event_shape: D, as a number or a sequence of one; None: taken from the input.
        conditional: Whether there is a second input that all outputs may see.
        conditional_event_shape: Its length, if there is one.
        conditional_input_layers: `"all_layers"`: it enters every layer; `"first_layer"`: the first
            alone, where the outputs without hidden units of their own do not see it.
        hidden_units: Units of each hidden layer.
        input_order: `"left-to-right"`, `"right-to-left"`, `"random"` or a permutation of 1..D.
        hidden_degrees: `"equal"` or `"random"`.
        activation: Keras activation of the hidden layers.
        use_bias: Whether the layers have biases.
        kernel_initializer: Keras initializer.
        bias_initializer: Keras initializer.
        kernel_regularizer: Keras regularizer.
        bias_regularizer: Keras regularizer.
        kernel_constraint: Keras constraint.
        bias_constraint: Keras constraint.
        seed: Of a random order and random degrees. Where it is None one is drawn and kept in the
            configuration, so that a model that is loaded has the masks it was trained with.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> made = AutoregressiveNetwork(2, 3, hidden_units=[16], activation="relu")
        >>> made(tf.zeros([5, 3])).shape
        TensorShape([5, 3, 2])

    References:
        Germain et al., "MADE: Masked Autoencoder for Distribution Estimation", 2015.
    """

    def __init__(
        self,
        params: int,
        event_shape: int | Sequence[int] | None = None,
        conditional: bool = False,
        conditional_event_shape: int | Sequence[int] | None = None,
        *,
        conditional_input_layers: str = "all_layers",
        hidden_units: Sequence[int] | None = None,
        input_order: str | Sequence[int] = "left-to-right",
        hidden_degrees: str = "equal",
        activation=None,
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        seed: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = keras.config.dtype_policy().variable_dtype
        super().__init__(**kwargs)
        if conditional != (conditional_event_shape is not None):
            raise UserError("conditional=True and conditional_event_shape go together")
        if conditional_input_layers not in ("all_layers", "first_layer"):
            raise unknown_name(
                "conditional_input_layers", conditional_input_layers, ["all_layers", "first_layer"]
            )
        self.params = count_of("params", params)
        self.event_shape = self._vector("event_shape", event_shape)
        self.conditional = conditional
        self.conditional_event_shape = self._vector(
            "conditional_event_shape", conditional_event_shape
        )
        self.conditional_input_layers = conditional_input_layers
        hidden_units = [] if hidden_units is None else hidden_units
        self.hidden_units = [count_of("hidden_units", units) for units in hidden_units]
        self.input_order = (
            input_order if isinstance(input_order, str) else [int(i) for i in input_order]
        )
        self.hidden_degrees = hidden_degrees
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.seed = int(np.random.randint(2**31)) if seed is None else int(seed)

    @staticmethod
    def _vector(name: str, value) -> tuple[int, ...] | None:
        if value is None:
            return None
        shape = event_shape_of(value, name)
        if len(shape) != 1:
            raise UserError(f"{name} takes one number, as the network is dense, got {value!r}")
        return shape

    def build(self, input_shape):
        """Makes the masks and the weights."""
        size = int(input_shape[-1])
        if self.event_shape is None:
            self.event_shape = (size,)
        if self.event_shape != (size,):
            raise UserError(f"{self.name} takes {self.event_shape[0]} inputs, got {size}")
        masks = autoregressive_masks(
            size,
            self.hidden_units,
            input_order=self.input_order,
            hidden_degrees=self.hidden_degrees,
            seed=self.seed,
        )
        masks[-1] = np.repeat(masks[-1], self.params, axis=1)
        self._masks = [mask.astype(self.variable_dtype) for mask in masks]
        self._kernels, self._biases, self._conditional_kernels = [], [], []
        for i, mask in enumerate(self._masks):
            self._kernels.append(self._kernel(f"kernel_{i}", mask.shape))
            if self.use_bias:
                self._biases.append(
                    self.add_weight(
                        name=f"bias_{i}",
                        shape=mask.shape[1:],
                        initializer=self.bias_initializer,
                        regularizer=self.bias_regularizer,
                        constraint=self.bias_constraint,
                    )
                )
            if self.conditional and (i == 0 or self.conditional_input_layers == "all_layers"):
                shape = (*self.conditional_event_shape, mask.shape[1])
                self._conditional_kernels.append(self._kernel(f"conditional_kernel_{i}", shape))

    def _kernel(self, name: str, shape) -> keras.Variable:
        # The same initializer object would repeat its values in kernels of one shape.
        config = keras.initializers.serialize(self.kernel_initializer)
        config.get("config", {}).pop("seed", None)
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=keras.initializers.deserialize(config),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )

    def call(self, x: tf.Tensor, conditional_input: tf.Tensor | None = None) -> tf.Tensor:
        """Returns the parameters.

        Args:
            x: `[*batch, D]`.
            conditional_input: `[*batch, C]`, of a batch shape that broadcasts to that of x.

        Returns:
            `[*batch, D, params]`.
        """
        if self.conditional != (conditional_input is not None):
            raise UserError(
                f"{self.name} has conditional={self.conditional}: conditional_input has to be "
                + ("given" if self.conditional else "left out")
            )
        outputs = tf.convert_to_tensor(x, dtype=self.variable_dtype)
        for i, mask in enumerate(self._masks):
            # XLA has no gradient of tf.tensordot in a loop over a batch of unknown size.
            outputs = keras.ops.matmul(outputs, self._kernels[i] * mask)
            if i < len(self._conditional_kernels):
                context = tf.convert_to_tensor(conditional_input, dtype=self.variable_dtype)
                outputs += keras.ops.matmul(context, self._conditional_kernels[i])
            if self.use_bias:
                outputs += self._biases[i]
            if i + 1 < len(self._masks):
                outputs = self.activation(outputs)
        event = [*self.event_shape, self.params]
        static = outputs.shape[:-1].concatenate(event)
        outputs = tf.reshape(outputs, tf.concat([tf.shape(outputs)[:-1], event], axis=0))
        return tf.ensure_shape(outputs, static)

    def get_config(self) -> dict:
        """Configuration for saving."""
        plain = ["params", "event_shape", "conditional", "conditional_event_shape"]
        plain += ["conditional_input_layers", "hidden_units", "input_order", "hidden_degrees"]
        plain += ["use_bias", "seed"]
        kinds = {
            "initializer": keras.initializers,
            "regularizer": keras.regularizers,
            "constraint": keras.constraints,
        }
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in plain},
            "activation": keras.activations.serialize(self.activation),
            **{
                f"{part}_{kind}": module.serialize(getattr(self, f"{part}_{kind}"))
                for part in ("kernel", "bias")
                for kind, module in kinds.items()
            },
        }
