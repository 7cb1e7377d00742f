"""A normalizing flow of affine couplings as prior: real NVP."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.options.bounds import Depth, Positive, Widths
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = ["RealNVP"]


@keras.saving.register_keras_serializable(package="tfvae")
class RealNVP(Prior):
    """z = f(ε), ε ~ N(0, I), f a chain of affine couplings: one pass for a draw or a density.

    A coupling leaves one half of the elements as they are and moves the other half by numbers
    that depend on the first: y₁ = x₁, y₂ = x₂ exp(s(x₁)) + t(x₁). The halves take turns. The log
    scale is bounded, s = b tanh(raw / b), so that no step of training throws the flow far off. At
    the start f is the identity and p(z) the standard normal.

    Args:
        couplings: Number of couplings.
        hidden: Units of the hidden layers of each coupling's network.
        event_shape: Shape of z; None: learned from the posterior.
        activation: Keras activation of the hidden layers.
        max_log_scale: b, the bound of the log scale of one coupling.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> prior = RealNVP()
        >>> prior.build(6)
        >>> prior().sample(7).shape
        TensorShape([7, 6])

    References:
        Dinh, Sohl-Dickstein, Bengio, "Density Estimation using Real NVP", 2017, Eq. 4-8.
    """

    def __init__(
        self,
        couplings: Depth = 6,
        hidden: Widths = (128, 128),
        *,
        event_shape: int | Sequence[int] | None = None,
        activation: str | Callable = "relu",
        max_log_scale: Positive = 2.0,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, **kwargs)
        if couplings != int(couplings) or couplings < 1:
            raise UserError(f"couplings takes an integer from 1, got {couplings!r}")
        if not max_log_scale > 0:
            raise UserError(f"max_log_scale takes a number above 0, got {max_log_scale!r}")
        self.couplings = int(couplings)
        self.hidden = [int(units) for units in hidden]
        self.activation = keras.activations.get(activation)
        self.max_log_scale = max_log_scale

    def build(self, event_shape=None, data_shape=None):
        """Makes a network for each coupling."""
        super().build(event_shape, data_shape)
        self.size = int(np.prod(self.event_shape, dtype=int))
        half, dtype = self.size // 2, self.variable_dtype
        # n > 0: the first n elements stay as they are; n < 0: the last −n.
        self._kept = [half if i % 2 == 0 else -half for i in range(self.couplings)]
        self.networks = []
        for i in range(self.couplings):
            layers = [keras.layers.Dense(n, self.activation, dtype=dtype) for n in self.hidden]
            moved = 2 * (self.size - half)
            layers.append(keras.layers.Dense(moved, kernel_initializer="zeros", dtype=dtype))
            self.networks.append(keras.Sequential(layers, name=f"coupling_{i}"))
            self.networks[-1].build((None, half))

    def _coupling(self, kept: int, network: keras.Sequential) -> tfb.Bijector:
        def shift_and_log_scale(x, _):
            batch = tf.shape(x)[:-1]
            outputs = network(tf.reshape(x, [tf.reduce_prod(batch), x.shape[-1]]))
            static = x.shape[:-1].concatenate(outputs.shape[-1:])
            outputs = tf.reshape(outputs, tf.concat([batch, outputs.shape[-1:]], axis=0))
            shift, raw = tf.split(tf.ensure_shape(outputs, static), 2, axis=-1)
            return shift, self.max_log_scale * tf.tanh(raw / self.max_log_scale)

        return tfb.RealNVP(num_masked=kept, shift_and_log_scale_fn=shift_and_log_scale)

    def call(self, context=None) -> tfd.Distribution:
        """Makes the flow, batch shape `[]`; a context does not change it."""
        flow = list(map(self._coupling, self._kept, self.networks))[::-1]  # the last one first
        if len(self.event_shape) != 1:
            flow.insert(0, tfb.Reshape(self.event_shape, [self.size]))
        zeros = tf.zeros([self.size], self.variable_dtype)
        normal = tfd.Independent(tfd.Normal(zeros, 1.0), 1)
        return tfd.TransformedDistribution(normal, tfb.Chain(flow), name="RealNVP")

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "couplings": self.couplings,
            "hidden": self.hidden,
            "activation": keras.activations.serialize(self.activation),
            "max_log_scale": self.max_log_scale,
        }
