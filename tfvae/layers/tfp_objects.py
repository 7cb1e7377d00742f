"""Distributions and bijectors of tfp as plain dictionaries, so that Keras can save them."""

from __future__ import annotations

import inspect

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError

__all__ = ["deserialize_tfp", "serialize_tfp"]

_HOMES = {"distribution": tfp.distributions, "bijector": tfp.bijectors}
_BASES = {"distribution": tfp.distributions.Distribution, "bijector": tfp.bijectors.Bijector}


def serialize_tfp(value):
    """Describes a tfp distribution or bijector by its class and its arguments.

    Args:
        value: An object of a class of `tfp.distributions` or `tfp.bijectors` whose arguments are
            numbers, strings, arrays or such objects themselves; or one of those arguments.

    Returns:
        What JSON can hold; `deserialize_tfp` makes the object of it again.

    Raises:
        UserError: If an argument is a function or a variable, or the class is not tfp's.

    Example:
        >>> deserialize_tfp(serialize_tfp(tfp.bijectors.Shift(2.0))).forward(1.0).numpy()
        np.float32(3.0)
    """
    for kind, home in _HOMES.items():
        if not isinstance(value, _BASES[kind]):
            continue
        name = type(value).__name__
        if not issubclass(type(value), getattr(home, name, ())):
            raise UserError(f"{name} is no class of tfp's: give a registered function instead")
        defaults = inspect.signature(getattr(home, name).__init__).parameters
        given = {
            key: serialize_tfp(argument)
            for key, argument in value.parameters.items()
            if key in defaults and key != "name" and argument is not defaults[key].default
        }
        return {"tfp": kind, "type": name, "arguments": given}
    if isinstance(value, tf.Variable) or callable(value):
        raise UserError(f"{value!r} cannot be saved: give a registered function instead")
    if isinstance(value, (list, tuple)):
        return [serialize_tfp(item) for item in value]
    if isinstance(value, tf.DType):
        return value.name
    if isinstance(value, (np.ndarray, np.generic)) or tf.is_tensor(value):
        array = np.asarray(value)
        return {"tfp": "array", "dtype": array.dtype.name, "values": array.tolist()}
    return value


def deserialize_tfp(value):
    """Makes the object that `serialize_tfp` described.

    Args:
        value: What `serialize_tfp` returned.

    Returns:
        The object. Only classes of `tfp.distributions` and `tfp.bijectors` are made.
    """
    if isinstance(value, list):
        return [deserialize_tfp(item) for item in value]
    if not (isinstance(value, dict) and "tfp" in value):
        return value
    if value["tfp"] == "array":
        return tf.constant(value["values"], dtype=value["dtype"])
    made = getattr(_HOMES[value["tfp"]], value["type"])
    if not (isinstance(made, type) and issubclass(made, _BASES[value["tfp"]])):
        raise UserError(f"{value['type']!r} is no {value['tfp']} of tfp")
    return made(**{key: deserialize_tfp(item) for key, item in value["arguments"].items()})
