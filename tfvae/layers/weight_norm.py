"""Weight normalization: the length and the direction of a kernel as weights of their own."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["WeightNorm"]


@keras.saving.register_keras_serializable(package="tfvae")
class WeightNorm(keras.layers.Wrapper):
    """Trains the layer's kernel as W = g v / ‖v‖, one length g for each output channel.

    Keras has no such layer: `SpectralNormalization` divides by the largest singular value and
    `UnitNormalization` scales activations. At first g = ‖v‖, so that the wrapped layer starts as
    it would have without; `adapt` chooses g and the bias by a batch of data.

    Args:
        layer: `Dense`, a convolution or a transposed convolution.
        data_init: In tfp, whether the first batch chooses g and the bias; here `adapt` does it.
        **kwargs: Arguments of `keras.layers.Wrapper`.

    Example:
        >>> WeightNorm(keras.layers.Dense(3))(tf.ones([2, 5])).shape
        TensorShape([2, 3])

    References:
        Salimans, Kingma, "Weight Normalization: A Simple Reparameterization to Accelerate
        Training of Deep Neural Networks", 2016, Eq. 2 and 5-6.
    """

    def __init__(
        self, layer: keras.layers.Layer, data_init: bool = False, **kwargs: Unpack[LayerOptions]
    ):
        if data_init:
            raise UserError(
                "data_init=True would be a hidden state of the first call: leave it out, and call "
                "adapt(batch) on the layer before training"
            )
        if layer.activity_regularizer is not None:
            # The wrapped layer is called statelessly, so that losses added in it would be lost.
            raise UserError("give activity_regularizer to WeightNorm and not to the wrapped layer")
        super().__init__(layer, **kwargs)

    def build(self, input_shape):
        """Builds the layer and makes g."""
        super().build(input_shape)
        if not hasattr(self.layer, "kernel"):
            raise UserError(f"WeightNorm takes a layer with a kernel, {self.layer.name} has none")
        rank = len(self.layer.kernel.shape)
        # A transposed convolution has its output channels on the last axis but one.
        channel = rank - (2 if "Transpose" in type(self.layer).__name__ else 1)
        self.kernel_norm_axes = [axis for axis in range(rank) if axis != channel]
        self._g_shape = [n if i == channel else 1 for i, n in enumerate(self.layer.kernel.shape)]
        self.g = self.add_weight(
            name="g",
            shape=(self.layer.kernel.shape[channel],),
            initializer=lambda shape, dtype: tf.reshape(self._norm(), shape),
        )

    @property
    def v(self) -> keras.Variable:
        """The direction: the wrapped layer's kernel before it is normalized."""
        return self.layer.kernel

    @property
    def initialized(self) -> bool:
        """Whether g has its first value: from the building of the layer on."""
        return self.built

    def _norm(self) -> tf.Tensor:
        kernel = tf.convert_to_tensor(self.layer.kernel)
        return tf.sqrt(tf.reduce_sum(kernel**2, axis=self.kernel_norm_axes, keepdims=True))

    def _call(self, inputs: tf.Tensor, g: tf.Tensor, *others) -> tf.Tensor:
        kernel = self.layer.kernel
        value = tf.convert_to_tensor(kernel) / self._norm() * tf.reshape(g, self._g_shape)
        # As they are here: around this call others may have put values in their place.
        state = {id(w): (w, tf.convert_to_tensor(w)) for w in self.layer.trainable_weights}
        state |= {id(w): (w, value) for w, value in ((kernel, value), *others)}
        with keras.StatelessScope(state_mapping=list(state.values())):
            return self.layer(inputs)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Calls the layer with the normalized kernel."""
        return self._call(inputs, tf.convert_to_tensor(self.g))

    def adapt(self, data: tf.Tensor):
        """Chooses g and the bias so that the outputs before the activation have mean 0, variance 1.

        Args:
            data: A batch of inputs.
        """
        data = tf.convert_to_tensor(data, dtype=self.compute_dtype)
        if not self.built:
            self.build(data.shape)
        bias = getattr(self.layer, "bias", None)
        others = [] if bias is None else [(bias, tf.zeros_like(bias))]
        activation, self.layer.activation = self.layer.activation, keras.activations.linear
        try:
            outputs = self._call(data, tf.ones_like(self.g), *others)
        finally:
            self.layer.activation = activation
        first = getattr(self.layer, "data_format", None) == "channels_first"
        channel = 1 if first else outputs.shape.rank - 1
        axes = [axis for axis in range(outputs.shape.rank) if axis != channel]
        mean, variance = tf.nn.moments(tf.cast(outputs, self.variable_dtype), axes)
        self.g.assign(tf.math.rsqrt(variance + 1e-10))
        if bias is not None:
            bias.assign(-mean * tf.math.rsqrt(variance + 1e-10))

    def compute_output_shape(self, input_shape):
        """That of the wrapped layer."""
        return self.layer.compute_output_shape(input_shape)
