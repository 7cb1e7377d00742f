"""A distribution that is also a tensor, so that Keras lets it pass between layers."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.keras_compat import KERAS_MASK, CarriesKerasMask
from tfvae.distributions.tf_compat import SymbolicOrEagerTensor, graphs_outwards
from tfvae.errors import UserError

tfd = tfp.distributions

__all__ = ["TensorDistribution", "concrete", "returned"]


class _Meta(type(tfd.Distribution), type(SymbolicOrEagerTensor)):
    """Both bases have a metaclass of their own."""


class TensorDistribution(
    CarriesKerasMask, tfd.Distribution, SymbolicOrEagerTensor, metaclass=_Meta
):
    """The distribution `distribution`, and the tensor `convert(distribution)` where one is needed.

    Every method and attribute of a distribution is that of the wrapped one; `+`, indexing,
    `shape`, `tf.convert_to_tensor` and `np.asarray` are those of the value. The value is computed
    when first asked for and kept, so that a sample stays the same sample.

    Args:
        distribution: The `tfd.Distribution` that is wrapped.
        convert: Function of the distribution that gives the value.
    """

    # As tf.Tensor: `array * y` is y's business. NumPy would make an array, without a gradient.
    __array_priority__ = 100

    def __init__(self, distribution: tfd.Distribution, convert: Callable):
        # Set past tf.Module's own `__setattr__`, which would wrap and track the two.
        object.__setattr__(self, "distribution_", concrete(distribution))
        object.__setattr__(self, "convert_", convert)
        object.__setattr__(self, "values_", {})

    def __getattribute__(self, name):
        if name in _OWN:
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "distribution_"), name)

    @property
    def tensor_distribution(self) -> tfd.Distribution:
        """The wrapped distribution, under the name that it has in tfp."""
        return self.distribution_

    def value(self) -> tf.Tensor:
        """The tensor that stands for the distribution, one for each graph."""
        graphs = list(graphs_outwards())
        for graph in graphs:
            if graph in self.values_:  # an outer graph's value is seen inside
                return self.values_[graph]
        value = self.convert_(self.distribution_)
        # A number, an array or another distribution is made a tensor once: its shape is asked for.
        try:
            value = tf.convert_to_tensor(value)
        except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
            raise UserError(
                f"the value of {self.distribution_.name} is to be one tensor, and "
                f"convert_to_tensor_fn made a {type(value).__name__} of it that is none: give a "
                "function that makes one, such as lambda d: d.sample()[0] of a joint distribution"
            ) from error
        self.values_[graphs[0]] = value
        return value

    @property
    def ndim(self) -> int:
        """Rank of the value."""
        return self.value().shape.rank

    def get_shape(self) -> tf.TensorShape:
        """Shape of the value."""
        return self.value().shape

    @property
    def shape(self) -> tf.TensorShape:
        """Shape of the value: `[*batch, *event]`."""
        return self.value().shape

    @property
    def dtype(self) -> tf.DType:
        """Data type of the value."""
        return self.value().dtype

    def numpy(self):
        """The value as a NumPy array."""
        return self.value().numpy()

    def __tf_tensor__(self, dtype=None, name=None):
        value = tf.convert_to_tensor(self.value(), name=name)
        return value if dtype is None or value.dtype == dtype else tf.cast(value, dtype)

    def __array__(self, dtype=None, copy=None):
        # NumPy wants an array, and a scalar tensor's `numpy()` is none.
        return np.asarray(self.numpy(), dtype)

    def __repr__(self):
        return f"<TensorDistribution of {self.distribution_!r}>"

    __str__ = __repr__
    __hash__ = object.__hash__


def _operator(name: str) -> Callable:
    def apply(self, *args, **kwargs):
        args = [tf.convert_to_tensor(a) if isinstance(a, TensorDistribution) else a for a in args]
        return getattr(self.value(), name)(*args, **kwargs)

    apply.__name__ = name
    return apply


_BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"]
_OTHER = [
    "neg",
    "abs",
    "invert",
    "lt",
    "le",
    "gt",
    "ge",
    "eq",
    "ne",
    "getitem",
    "len",
    "iter",
    "bool",
]
_OPERATORS = [
    *(f"__{prefix}{name}__" for name in _BINARY for prefix in ("", "r")),
    *(f"__{name}__" for name in [*_OTHER, "float", "int"]),
]
for _name in _OPERATORS:
    setattr(TensorDistribution, _name, _operator(_name))

# Attributes of the wrapper itself, among them those that make it a tensor.
_OWN = frozenset(
    [
        *("distribution_", "convert_", "values_", "value", "tensor_distribution", KERAS_MASK),
        *("shape", "get_shape", "ndim", "dtype", "numpy", "__tf_tensor__", "__array__"),
        "__array_priority__",
        *("__class__", "__dict__", "__hash__", "__repr__", "__str__"),
        *_OPERATORS,
    ]
)


def concrete(distribution: tfd.Distribution) -> tfd.Distribution:
    """The plain `tfd.Distribution` behind what a layer returned.

    Args:
        distribution: A `TensorDistribution` or any other `tfd.Distribution`.

    Returns:
        The wrapped distribution, or the same one where nothing is wrapped.
    """
    if isinstance(distribution, TensorDistribution):
        return distribution.distribution_
    return distribution


def returned(part: str, output) -> tfd.Distribution:
    """The plain distribution that a network returned.

    Args:
        part: What the network is, for the message.
        output: What it returned.

    Returns:
        The distribution.

    Raises:
        UserError: If it is none.
    """
    output = concrete(output)
    if not isinstance(output, tfd.Distribution):
        raise UserError(
            f"the {part} returned {type(output).__name__} and not a distribution: let it end in a "
            "layer of tfvae.layers, or return a tfd.Distribution"
        )
    return output


@tfd.RegisterKL(TensorDistribution, tfd.Distribution)
@tfd.RegisterKL(tfd.Distribution, TensorDistribution)
@tfd.RegisterKL(TensorDistribution, TensorDistribution)
def _kl(a, b, name=None):
    return tfd.kl_divergence(concrete(a), concrete(b), name=name)


class ValueOf(keras.Operation):
    """The shape and type of what a call returns, which Keras asks for of a symbolic call."""

    def __init__(self, function: Callable):
        super().__init__()
        self._function = function

    def call(self, *args, **kwargs):
        """Calls the function and converts what it returns, distributions too, to tensors."""
        return tf.nest.map_structure(tf.convert_to_tensor, self._function(*args, **kwargs))
