"""Posteriors of coupling steps: half of z is changed by a map that the other half decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers.base import positive
from tfvae.layers.flow_posterior import FlowPosterior, FlowStep
from tfvae.layers.sizes import count_of
from tfvae.options.bounds import Count, Depth, Positive, Widths
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["Affine", "CouplingFlow", "ElementMap"]


class ElementMap(Protocol):
    """An increasing map of each element."""

    def forward(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The value, and the logarithm of the slope, of the shape of x both."""

    def inverse(self, y: tf.Tensor) -> tf.Tensor:
        """What `forward` makes y of."""


class _Coupling:
    """One half stays, and the elements of the other half go through a map of it and of h.

    Args:
        network: From the half that stays and h to the parameters of the map.
        make_map: Makes of `[*batch, moved, parameters]` the map of the other half.
        context: h, `[*batch, context_size]`.
        first: Whether the first half stays, not the last.
        kept: Number of elements that stay.
    """

    def __init__(
        self,
        network: keras.Sequential,
        make_map: Callable[[tf.Tensor], ElementMap],
        context: tf.Tensor,
        *,
        first: bool,
        kept: int,
    ):
        self._network, self._make_map, self._context = network, make_map, context
        self._first, self._kept = first, kept

    def _apart(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, ElementMap]:
        """What stays, what is changed, and the map."""
        size = z.shape[-1] - self._kept
        sizes = [self._kept, size] if self._first else [size, self._kept]
        parts = tf.split(z, sizes, axis=-1)
        kept, moved = parts if self._first else parts[::-1]
        context = self._context + tf.zeros_like(z[..., :1])  # of the batch of z
        params = tf.concat([kept, context], axis=-1)
        for layer in self._network.layers:  # a Sequential model takes one batch axis alone
            params = layer(params)
        params = tf.stack(tf.split(params, params.shape[-1] // size, axis=-1), axis=-1)
        return kept, moved, self._make_map(params)

    def _together(self, kept: tf.Tensor, moved: tf.Tensor) -> tf.Tensor:
        return tf.concat([kept, moved] if self._first else [moved, kept], axis=-1)

    def forward(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The value and the log determinant."""
        kept, moved, elements = self._apart(z)
        value, log_slope = elements.forward(moved)
        return self._together(kept, value), tf.reduce_sum(log_slope, axis=-1)

    def inverse(self, z: tf.Tensor) -> tf.Tensor:
        """What the step makes z of."""
        kept, moved, elements = self._apart(z)
        return self._together(kept, elements.inverse(moved))


class Affine:
    """μ + σ z, element by element.

    Args:
        loc: μ.
        log_scale: log σ, of the same shape.
    """

    def __init__(self, loc: tf.Tensor, log_scale: tf.Tensor):
        self._loc, self._log_scale = loc, log_scale

    def forward(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The value, and the logarithm of the slope, of each element."""
        log_slope = self._log_scale + tf.zeros_like(x)
        return self._loc + tf.exp(self._log_scale) * x, log_slope

    def inverse(self, y: tf.Tensor) -> tf.Tensor:
        """What `forward` makes y of."""
        return (y - self._loc) * tf.exp(-self._log_scale)


class _All:
    """A map of all elements as a step."""

    def __init__(self, elements: ElementMap):
        self._elements = elements
        self.inverse = elements.inverse

    def forward(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The value and the log determinant."""
        value, log_slope = self._elements.forward(z)
        return value, tf.reduce_sum(log_slope, axis=-1)


class CouplingFlow(FlowPosterior):
    """Base: z = μ + σ f_T(… f_1(ε)), each step a coupling whose network sees h too.

    The elements of one half of ε go through maps whose parameters a network makes of the other
    half and of h, a function of x; the halves change places from one step to the next. A draw
    takes one pass of each network and its density nothing more, that of any other z two passes.

    The parameters are μ, the raw σ and h, in this order: 2 event_size + context_size. A concrete
    flow says how many parameters the map of an element takes, `params_per_map`, and makes the
    map of `[*batch, moved, params_per_map]`, `make_map`.

    Args:
        event_size: Number of elements of z.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        steps: Number of steps: two change every element once.
        hidden: Units of the hidden layers of each network.
        context_size: Size of h.
        activation: Keras activation of the hidden layers.
        min_scale: The smallest σ: the density is unbounded as σ → 0.
        kernel_initializer: Keras initializer of the networks; None: `VarianceScaling(0.1)`,
            small weights, with which each step begins close to the identity.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        event_size: int,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        steps: Depth = 4,
        hidden: Widths = (128,),
        context_size: Count = 64,
        activation: str | Callable = "relu",
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
        self.hidden = [count_of("hidden", units) for units in hidden]
        self.context_size = count_of("context_size", context_size)
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(
            kernel_initializer or keras.initializers.VarianceScaling(0.1)
        )

    @property
    def params_per_map(self) -> int:
        """Number of parameters of the map of one element."""
        raise NotImplementedError(f"{type(self).__name__} has to define params_per_map")

    def make_map(self, params: tf.Tensor) -> ElementMap:
        """Makes the map of `[*batch, moved, params_per_map]`."""
        raise NotImplementedError(f"{type(self).__name__} has to define make_map(params)")

    def flow_params_size(self) -> int:
        """Number of parameters of the steps: h."""
        return self.context_size

    def build(self, input_shape):
        """Makes a network for each step."""
        super().build(input_shape)
        dtype, kept = self.variable_dtype, self.event_size // 2
        outputs = (self.event_size - kept) * self.params_per_map
        self.networks = []
        for i in range(self.steps):
            sizes = [*((n, self.activation) for n in self.hidden), (outputs, None)]
            # A copy each: one initializer with a seed would make layers of one shape alike.
            layers = [
                keras.layers.Dense(
                    units,
                    activation,
                    kernel_initializer=self.kernel_initializer.clone(),
                    dtype=dtype,
                )
                for units, activation in sizes
            ]
            self.networks.append(keras.Sequential(layers, name=f"coupling_{i}"))
            self.networks[-1].build((None, kept + self.context_size))

    def make_steps(self, params: tf.Tensor) -> list[FlowStep]:
        """Makes the couplings of h."""
        kept = self.event_size // 2
        return [
            _Coupling(network, self.make_map, params, first=i % 2 == 0, kept=kept)
            for i, network in enumerate(self.networks)
        ]

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the flow of `[*batch, params_size]` parameters."""
        sizes = [self.event_size, self.event_size, self.context_size]
        loc, raw, context = tf.split(self.flat(params), sizes, axis=-1)
        scale = positive(raw, self.min_scale)
        last = _All(Affine(loc, tf.math.log(scale)))
        zeros = tf.zeros_like(loc)
        return self.through(zeros, tf.ones_like(zeros), [*self.make_steps(context), last])

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "hidden": self.hidden,
            "context_size": self.context_size,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
