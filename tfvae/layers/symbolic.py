"""What a probability layer returns in a functional model: a distribution without numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import ValueOf, concrete
from tfvae.errors import UserError
from tfvae.layers.conversions import member_names
from tfvae.layers.noise_scope import noise_seed
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["DistributionMethod", "SymbolicDistribution"]


class SymbolicDistribution(keras.KerasTensor):
    """The Keras tensor of a distribution's value, with the distribution's methods.

    `y.mean()`, `y.sample(3)`, `y.log_prob(x)` and `y.loc` are Keras tensors that a functional model
    may return or work on; `y` itself is the value that `convert_to_tensor_fn` makes.

    Args:
        make: Function that makes the distribution.
        args: Its arguments, Keras tensors among them.
        kwargs: Its keyword arguments, likewise.
    """

    def __init__(self, make: Callable, args: tuple = (), kwargs: dict | None = None):
        self.make, self.arguments = make, (args, kwargs or {})
        value = ValueOf(make).compute_output_spec(*args, **(kwargs or {}))
        super().__init__(value.shape, value.dtype)

    def copy(self) -> SymbolicDistribution:
        """The same distribution as another Keras tensor, for what a layer passes on."""
        return SymbolicDistribution(self.make, *self.arguments)

    @property
    def batch_shape(self) -> tuple[int | None, ...]:
        """Batch shape of the distribution; None stands for an unknown size."""
        return self._shapes()[0]

    @property
    def event_shape(self) -> tuple[int | None, ...]:
        """Event shape of the distribution."""
        return self._shapes()[1]

    def _shapes(self) -> list[tuple[int | None, ...]]:
        found = []

        def look(args, kwargs):
            made = concrete(self.make(*args, **kwargs))
            found.extend(tuple(s) for s in (made.batch_shape, made.event_shape))
            return tf.zeros([])

        ValueOf(look).compute_output_spec(*self.arguments)
        return found

    def __getattr__(self, name: str):
        methods, properties = member_names()
        if name in methods:
            return lambda *args, **kwargs: DistributionMethod(name)(self, args=args, **kwargs)
        if name in properties:
            # Only tensors can stand in a functional model, no attribute such as `distribution`.
            with contextlib.suppress(TypeError, ValueError, AttributeError):
                return DistributionMethod(name)(self)
        raise AttributeError(
            f"the symbolic output of a probability layer has no {name!r}: it has the methods and "
            "properties of tfp's distributions that are tensors; for anything else call the model "
            "on data, which gives the distribution itself"
        )


@keras.saving.register_keras_serializable(package="tfvae")
class DistributionMethod(keras.layers.Layer):
    """Calls a method of a distribution, or reads a property, within a functional model.

    `y.mean()` of a layer's output `y` makes it.

    Args:
        method: Name of the method or property.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> x = keras.Input((4,))
        >>> y = IndependentNormal(2)(x)
        >>> keras.Model(x, [y.mean(), y.stddev()])(tf.zeros([5, 4]))[0].shape
        TensorShape([5, 2])
    """

    def __init__(self, method: str, **kwargs: Unpack[LayerOptions]):
        kwargs.pop("autocast", None)
        # A cast would pass on the value in place of the distribution.
        super().__init__(autocast=False, **kwargs)
        self.method = method

    def call(self, distribution, args=(), **kwargs):
        """Returns what the method returns.

        Args:
            distribution: The distribution.
            args: Positional arguments of the method: Keras takes tensors alone as its own.
            **kwargs: Its keyword arguments.
        """
        owner = concrete(distribution)
        if not isinstance(owner, tfd.Distribution):
            raise UserError(
                f"{self.method} is a method of a distribution, and {self.name} got a "
                f"{type(owner).__name__}: let it follow on a layer of tfvae.layers"
            )
        value = getattr(owner, self.method)
        if not callable(value) or tf.is_tensor(value):
            return value
        if self.method == "sample" and kwargs.get("seed") is None and len(args) < 2:
            kwargs["seed"] = noise_seed()
        return value(*args, **kwargs)

    def compute_output_spec(self, distribution, args=(), **kwargs):
        """Shape and dtype of what the method returns."""
        if not isinstance(distribution, SymbolicDistribution):
            raise UserError(
                f"{self.method} is a method of a distribution, and {self.name} got a tensor: let "
                "it follow on a layer of tfvae.layers"
            )

        # Keras makes plain tensors of symbolic outputs; their distributions take the places again.
        given = (distribution, args, kwargs)
        outputs = {
            place: entry
            for place, entry in enumerate(tf.nest.flatten(given))
            if isinstance(entry, SymbolicDistribution)
        }

        def value(made_of, *given):
            entries = tf.nest.flatten(given)
            for (place, output), (a, k) in zip(outputs.items(), made_of, strict=True):
                entries[place] = output.make(*a, **k)
            distribution, args, kwargs = tf.nest.pack_sequence_as(given, entries)
            return self.call(distribution, args, **kwargs)

        made_of = [output.arguments for output in outputs.values()]
        return ValueOf(value).compute_output_spec(made_of, *given)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "method": self.method}
