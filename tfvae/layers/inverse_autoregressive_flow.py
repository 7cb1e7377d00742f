"""A posterior that a chain of autoregressive networks makes flexible."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers.autoregressive import AutoregressiveNetwork
from tfvae.layers.base import DistributionLayer, min_scale_of, positive
from tfvae.options.bounds import Count, Depth, Positive, Widths
from tfvae.options.keywords import LayerOptions, Unpack

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = ["InverseAutoregressiveFlow"]


class _Steps(tfb.Bijector):
    """The chain of steps z = σ z + (1 − σ) m, with m and σ of the z before and of the context.

    Args:
        networks: One for each step, from z and context to m and the raw gate.
        gate_bias: What is added to the raw gate.
        context: h, `[*batch, context_size]`.
    """

    def __init__(self, networks: Sequence[Callable], gate_bias: float, context: tf.Tensor):
        self._networks, self._gate_bias, self._context = tuple(networks), gate_bias, context
        self._last: dict[str, tuple] = {}
        super().__init__(
            forward_min_event_ndims=1,
            dtype=context.dtype,
            parameters={"networks": networks, "gate_bias": gate_bias, "context": context},
            name="inverse_autoregressive_flow",
        )

    def _step(self, network: Callable, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """One step: its value σ z + (1 − σ) m, and log σ."""
        m, raw = tf.unstack(network(z, self._context), num=2, axis=-1)
        raw += self._gate_bias
        return tf.sigmoid(raw) * z + tf.sigmoid(-raw) * m, tf.math.log_sigmoid(raw)

    def _passed(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The value at x and its log determinant, computed once for the latest x."""
        if "pass" not in self._last or self._last["pass"][0] is not x:
            z, log_det = x, 0.0
            for network in self._networks:
                z, log_gate = self._step(network, z)
                log_det += tf.reduce_sum(log_gate, axis=-1)
            self._last["pass"] = (x, z, log_det)
        return self._last["pass"][1:]

    def _forward(self, x):
        return self._passed(x)[0]

    def _forward_log_det_jacobian(self, x):
        return self._passed(x)[1]

    def _inverse(self, y):
        # The context may have more examples than y: every value meets every context.
        z = y + tf.zeros_like(self._context[..., :1])
        for network in reversed(self._networks):
            z = self._undone(network, z)
        return z

    def _undone(self, network: AutoregressiveNetwork, z: tf.Tensor) -> tf.Tensor:
        """One step inverted: an element after the other, in the order of the network.

        The gradient of the inverse x(z) is J⁻ᵀ, J that of the step at x. It solves a triangular
        system, from the last element to the first, and keeps nothing of the way to x.
        """
        places = range(z.shape[-1])
        order = places[::-1] if network.input_order == "right-to-left" else places

        def element(x, here):
            value, log_gate = self._step(network, x)
            return tf.where(here, x + (z - value) * tf.exp(-log_gate), x)

        x = tf.stop_gradient(_one_by_one(element, tf.zeros_like(z), order))

        @tf.custom_gradient
        def solved(residual):
            def backward(upstream):
                def element(v, here):
                    with tf.GradientTape() as tape:
                        tape.watch(x)
                        value, log_gate = self._step(network, x)
                    product = tape.gradient(value, x, output_gradients=v)
                    return tf.where(here, v + (upstream - product) * tf.exp(-log_gate), v)

                return _one_by_one(element, tf.zeros_like(upstream), order[::-1])

            return tf.zeros_like(residual), backward

        return x + solved(z - self._step(network, x)[0])


def _one_by_one(update: Callable, start: tf.Tensor, order: Sequence[int]) -> tf.Tensor:
    """Updates the elements of the last axis in turn; `update` gets the value and where to."""
    size, order = len(order), tf.constant(list(order))
    return tf.while_loop(
        lambda i, _: i < size,
        lambda i, value: (i + 1, update(value, tf.range(size) == order[i])),
        (0, start),
    )[1]


@keras.saving.register_keras_serializable(package="tfvae")
class InverseAutoregressiveFlow(DistributionLayer):
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

    event_argument = "event_size"
    roles = ("posterior",)

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
        super().__init__(event_size, convert_to_tensor_fn, validate_args, **kwargs)
        if len(self.event_shape) != 1:
            raise UserError(f"event_size takes an integer above 0, got {event_size!r}")
        for name, value in [("steps", steps), ("context_size", context_size)]:
            if value != int(value) or value < 1:
                raise UserError(f"{name} takes an integer from 1, got {value!r}")
        self.event_size = self.event_shape[0]
        self.steps = int(steps)
        self.hidden = [int(units) for units in hidden]
        self.context_size = int(context_size)
        self.activation = keras.activations.get(activation)
        self.gate_bias = gate_bias
        self.min_scale = min_scale_of(min_scale)
        self.kernel_initializer = keras.initializers.get(
            kernel_initializer or keras.initializers.VarianceScaling(0.1)
        )

    def count_params_size(self) -> int:
        """Number of parameters: 2 event_size + context_size."""
        return 2 * self.event_size + self.context_size

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

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the flow of `[*batch, params_size]` parameters."""
        sizes = [self.event_size, self.event_size, self.context_size]
        loc, raw, context = tf.split(self.flat(params), sizes, axis=-1)
        normal = tfd.Normal(loc, positive(raw, self.min_scale), validate_args=self.validate_args)
        return tfd.TransformedDistribution(
            self.independent(normal),
            _Steps(self.networks, self.gate_bias, context),
            validate_args=self.validate_args,
            name="InverseAutoregressiveFlow",
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        names = ("steps", "hidden", "context_size", "gate_bias", "min_scale")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
