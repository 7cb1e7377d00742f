"""A prior that masked autoregressive networks make of the normal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers.autoregressive import AutoregressiveNetwork
from tfvae.layers.sizes import count_of
from tfvae.options.bounds import Depth, Positive, Widths
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = ["MaskedAutoregressiveFlow"]


@keras.saving.register_keras_serializable(package="tfvae")
class MaskedAutoregressiveFlow(Prior):
    """Masked autoregressive flow: z_i = μ_i(z before i) + exp(α_i(z before i)) u_i, u ~ N(0, I).

    A chain of such steps, in which the order of the elements is reversed from one to the next.
    log p(z) = log N(u) − Σ_steps Σ_i α_i, with |α| below `max_log_scale`. A density takes one pass
    of each network, whatever the size of z; a draw takes one for each element. At the start it is
    close to the standard normal.

    With `inverse` each step is z_i = (u_i − μ_i(u before i)) exp(−α_i(u before i)), an inverse
    autoregressive flow: a draw takes one pass, and a density one for each element.

    Args:
        steps: Number of steps.
        hidden: Units of the hidden layers of each network.
        event_shape: Shape of z; None: learned from the posterior.
        activation: Keras activation of the hidden layers.
        max_log_scale: Bound of |α|, which is max_log_scale tanh(raw / max_log_scale).
        inverse: Whether the flow is an inverse one, whose draws are fast and whose density is slow.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> prior = MaskedAutoregressiveFlow(steps=2, hidden=(16,), event_shape=3)
        >>> prior().log_prob(tf.zeros([7, 3])).shape
        TensorShape([7])

    References:
        Papamakarios, Pavlakou, Murray, "Masked Autoregressive Flow for Density Estimation", 2017,
        Eq. 3-5.
        Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow", 2016,
        Section 3 (the inverse).
    """

    def __init__(
        self,
        steps: Depth = 5,
        hidden: Widths = (128, 128),
        *,
        event_shape: int | Sequence[int] | None = None,
        activation: str | Callable = "relu",
        max_log_scale: Positive = 2.0,
        inverse: bool = False,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, **kwargs)
        if not max_log_scale > 0:
            raise UserError(f"max_log_scale takes a number above 0, got {max_log_scale!r}")
        self.steps = count_of("steps", steps)
        self.hidden = [count_of("hidden", units) for units in hidden]
        self.activation = keras.activations.get(activation)
        self.max_log_scale = max_log_scale
        self.inverse = bool(inverse)

    def build(self, event_shape=None, data_shape=None):
        """Makes a network for each step."""
        super().build(event_shape, data_shape)
        self.size = int(np.prod(self.event_shape, dtype=int))
        self.networks = [
            AutoregressiveNetwork(
                2,
                self.size,
                hidden_units=self.hidden,
                activation=self.activation,
                kernel_initializer=keras.initializers.VarianceScaling(0.1),
                input_order="right-to-left" if i % 2 else "left-to-right",
                seed=0,
                dtype=self.variable_dtype,
            )
            for i in range(self.steps)
        ]
        for network in self.networks:
            network.build((None, self.size))

    def _step(self, network: AutoregressiveNetwork) -> tfb.Bijector:
        def shift_and_log_scale(z):
            shift, raw = tf.unstack(network(z), num=2, axis=-1)
            return shift, self.max_log_scale * tf.tanh(raw / self.max_log_scale)

        step = tfb.MaskedAutoregressiveFlow(shift_and_log_scale)
        return tfb.Invert(step) if self.inverse else step

    def call(self, context=None) -> tfd.Distribution:
        """Makes the flow, batch shape `[]`; a context does not change it."""
        flow = list(map(self._step, self.networks))[::-1]  # the last one first
        if len(self.event_shape) != 1:
            flow.insert(0, tfb.Reshape(self.event_shape, [self.size]))
        normal = tfd.Independent(tfd.Normal(tf.zeros([self.size], self.variable_dtype), 1.0), 1)
        return tfd.TransformedDistribution(
            normal, tfb.Chain(flow), name="IAF" if self.inverse else "MAF"
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "steps": self.steps,
            "hidden": self.hidden,
            "activation": keras.activations.serialize(self.activation),
            "max_log_scale": self.max_log_scale,
            "inverse": self.inverse,
        }
