"""A kernel of Gaussian processes with trained amplitude and length."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["ExponentiatedQuadratic"]


@keras.saving.register_keras_serializable(package="tfvae")
class ExponentiatedQuadratic(keras.layers.Layer):
    """Kernel with trained amplitude and length: k(x, y) = a² exp(−‖x − y‖² / (2 l²)).

    It serves as the `kernel_provider` of `VariationalGaussianProcess`, as any other layer with a
    property `kernel` does that makes the kernel of its weights when it is asked for.

    Args:
        amplitude: a at the start.
        length_scale: l at the start.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> float(ExponentiatedQuadratic(2.0).kernel.apply(tf.zeros([1]), tf.zeros([1])))
        4.0
    """

    def __init__(
        self, amplitude: float = 1.0, length_scale: float = 1.0, **kwargs: Unpack[LayerOptions]
    ):
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = keras.config.dtype_policy().variable_dtype
        super().__init__(**kwargs)
        self.amplitude, self.length_scale = float(amplitude), float(length_scale)
        self.raw = {
            name: self.add_weight(
                name=f"raw_{name}",
                shape=(),
                # softplus⁻¹ without overflow
                initializer=keras.initializers.Constant(value + np.log(-np.expm1(-value))),
            )
            for name, value in (("amplitude", self.amplitude), ("length_scale", self.length_scale))
        }
        self.built = True

    @property
    def kernel(self) -> tfp.math.psd_kernels.PositiveSemidefiniteKernel:
        """The kernel with the weights as they are now."""
        values = {name: tf.nn.softplus(tf.convert_to_tensor(raw)) for name, raw in self.raw.items()}
        return tfp.math.psd_kernels.ExponentiatedQuadratic(**values)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns its input: the layer is there for its `kernel`."""
        return inputs

    def get_config(self) -> dict:
        """Configuration for saving."""
        own = {"amplitude": self.amplitude, "length_scale": self.length_scale}
        return {**super().get_config(), **own}
