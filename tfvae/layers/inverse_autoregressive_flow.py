"""The posterior of an inverse autoregressive flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from tfvae.layers.autoregressive import AutoregressiveNetwork
from tfvae.layers.flow_posterior import FlowPosterior, FlowStep
from tfvae.layers.sizes import count_of
from tfvae.options.bounds import Count, Depth, Positive, Widths
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["InverseAutoregressiveFlow"]


class _Gated:
    """The step z = σ z + (1 − σ) m, with m and σ of the z before and of the context.

    Args:
        network: From z and context to m and the raw gate.
        gate_bias: What is added to the raw gate.
        context: h, `[*batch, context_size]`.
    """

    def __init__(self, network: AutoregressiveNetwork, gate_bias: float, context: tf.Tensor):
        self._network, self._gate_bias, self._context = network, gate_bias, context

    def _step(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The value σ z + (1 − σ) m, and log σ."""
        m, raw = tf.unstack(self._network(z, self._context), num=2, axis=-1)
        raw += self._gate_bias
        return tf.sigmoid(raw) * z + tf.sigmoid(-raw) * m, tf.math.log_sigmoid(raw)

    def forward(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The value and the log determinant."""
        value, log_gate = self._step(z)
        return value, tf.reduce_sum(log_gate, axis=-1)

    def inverse(self, z: tf.Tensor) -> tf.Tensor:
        """What the step makes z of: an element after the other, in the order of the network.

        The gradient of the inverse x(z) is J⁻ᵀ, J that of the step at x. It solves a triangular
        system, from the last element to the first, and keeps nothing of the way to x.
        """
        places = range(z.shape[-1])
        order = places[::-1] if self._network.input_order == "right-to-left" else places

        def element(x, here):
            value, log_gate = self._step(x)
            return tf.where(here, x + (z - value) * tf.exp(-log_gate), x)

        x = tf.stop_gradient(_one_by_one(element, tf.zeros_like(z), order))

        @tf.custom_gradient
        def solved(residual):
            def backward(upstream):
                def element(v, here):
                    with tf.GradientTape() as tape:
                        tape.watch(x)
                        value, log_gate = self._step(x)
                    product = tape.gradient(value, x, output_gradients=v)
                    return tf.where(here, v + (upstream - product) * tf.exp(-log_gate), v)

                return _one_by_one(element, tf.zeros_like(upstream), order[::-1])

            return tf.zeros_like(residual), backward

        return x + solved(z - self._step(x)[0])


def _one_by_one(update: Callable, start: tf.Tensor, order: Sequence[int]) -> tf.Tensor:
    """Updates the elements of the last axis in turn; `update` gets the value and where to."""
    size, order = len(order), tf.constant(list(order))
    return tf.while_loop(
        lambda i, _: i < size,
        lambda i, value: (i + 1, update(value, tf.range(size) == order[i])),
        (0, start),
    )[1]


@keras.saving.register_keras_serializable(package="tfvae")
class InverseAutoregressiveFlow(FlowPosterior):
    """A normal sent through a chain of steps whose networks see the elements before and a context.

    z₀ = μ + σ₀ ε, and for each step z = σ z + (1 − σ) m with σ = sigmoid(s + gate_bias), where a
    masked network makes (m, s) of z and of the context h; the order is reversed from one step to
    the next. log q(z|x) = log N(ε) − Σ log σ₀ − Σ_steps Σ_j log σ_j.

    A draw takes one pass of each network, and its density costs nothing more, as the draw is
    remembered. The density of a z that was not just drawn takes an inversion: event_size passes
    of each network, one after the other. It has no mean in closed form.

    The parameters are μ, the raw σ₀ and h, in this order: 2 event_size + context_size.

    Args:
        event_size: Number of elements of z.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        steps: Number of steps.
        hidden: Units of the hidden layers of each network.
        context_size: Size of h.
        activation: Keras activation of the hidden layers.
        gate_bias: What is added to s: above 0, each step begins close to the identity.
        min_scale: The smallest σ₀: the density is unbounded as σ₀ → 0.
        kernel_initializer: Keras initializer of the networks; None: `VarianceScaling(0.1)`, small
            weights, with which each step begins as a gate alone.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = InverseAutoregressiveFlow(3, context_size=8)
        >>> layer.params_size
        14
        >>> q = layer(tf.zeros([5, 14]))
        >>> q.log_prob(q.sample(2)).shape
        TensorShape([2, 5])

    References:
        Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow", 2016,
        Eq. 10-14 and Algorithm 1.
    """

    def __init__(
        self,
        event_size: int,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        steps: Depth = 2,
        hidden: Widths = (320,),
        context_size: Count = 200,
        activation: str | Callable = "elu",
        gate_bias: float = 2.0,
        min_scale: Positive = 1e-3,
        kernel_initializer=None,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(
            event_size,
            convert_to_tensor_fn,
            validate_args,
            steps=steps,
            min_scale=min_scale,
            **kwargs,
        )
        self.hidden = [int(units) for units in hidden]
        self.context_size = count_of("context_size", context_size)
        self.activation = keras.activations.get(activation)
        self.gate_bias = gate_bias
        self.kernel_initializer = keras.initializers.get(
            kernel_initializer or keras.initializers.VarianceScaling(0.1)
        )

    def flow_params_size(self) -> int:
        """Number of parameters of the steps: h."""
        return self.context_size

    def build(self, input_shape):
        """Makes the networks."""
        super().build(input_shape)
        self.networks = [
            AutoregressiveNetwork(
                2,
                self.event_size,
                conditional=True,
                conditional_event_shape=self.context_size,
                hidden_units=self.hidden,
                activation=self.activation,
                kernel_initializer=self.kernel_initializer,
                input_order="right-to-left" if i % 2 else "left-to-right",
                seed=0,
                dtype=self.variable_dtype,
            )
            for i in range(self.steps)
        ]
        for network in self.networks:
            network.build((None, self.event_size))

    def make_steps(self, params: tf.Tensor) -> list[FlowStep]:
        """Makes the gated steps of h."""
        return [_Gated(network, self.gate_bias, params) for network in self.networks]

    def get_config(self) -> dict:
        """Configuration for saving."""
        names = ("hidden", "context_size", "gate_bias")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
