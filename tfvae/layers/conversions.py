"""`convert_to_tensor_fn`: which tensor stands for a distribution."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError, unknown_name
from tfvae.layers.noise_scope import noise_seed

tfd = tfp.distributions

__all__ = ["conversion", "converter", "member_names"]

METHODS = ("sample", "mean", "mode", "stddev", "variance")


@functools.cache
def member_names() -> tuple[frozenset[str], frozenset[str]]:
    """Names of the public methods of all classes in tfd, and of properties that are no metadata."""
    methods, properties = set(), set()
    for cls in _classes():
        for name, member in vars(cls).items():
            if not name.startswith("_"):
                if isinstance(member, property):
                    properties.add(name)
                elif inspect.isfunction(member):
                    methods.add(name)
    return frozenset(methods), frozenset(properties - methods - set(vars(tfd.Distribution)))


def _classes() -> list[type]:
    """The classes of tfd, and what is tfp's among their bases."""
    found = [c for c in vars(tfd).values() if isinstance(c, type)]
    found = {b for c in found if issubclass(c, tfd.Distribution) for b in c.__mro__}
    return [cls for cls in found if issubclass(cls, tfd.Distribution)]


@functools.cache
def _members() -> dict[Callable, str]:
    """The function behind each public method and property of the classes of tfd -> its name."""
    found = {}
    for cls in _classes():
        for name, member in vars(cls).items():
            function = member.fget if isinstance(member, property) else member
            if not name.startswith("_") and callable(function):
                found[function] = name
    return found


def conversion(convert: str | Callable | property) -> str | Callable:
    """Checks `convert_to_tensor_fn`; what is a method or property in tfd becomes its name.

    Args:
        convert: A name; a method of a class of `tfp.distributions`, or a property such as
            `tfd.Bernoulli.logits`; or a callable of the distribution.

    Returns:
        A known name or a callable.

    Raises:
        UserError: If it is neither.
    """
    if isinstance(convert, property):
        convert = convert.fget
    if isinstance(convert, str):
        if convert not in METHODS and convert not in _members().values():
            raise unknown_name("convert_to_tensor_fn", convert, METHODS)
        return convert
    if not callable(convert):
        raise UserError(f"convert_to_tensor_fn takes a name or a callable, got {convert!r}")
    try:
        return _members().get(convert, convert)
    except TypeError:  # a callable object that has no hash
        return convert


def converter(convert: str | Callable) -> Callable[[tfd.Distribution], tf.Tensor]:
    """The function of a distribution that a checked `convert_to_tensor_fn` stands for."""
    return functools.partial(_converted, convert) if isinstance(convert, str) else convert


def _converted(name: str, distribution: tfd.Distribution) -> tf.Tensor:
    """The value of a method without arguments, or of a property, of a distribution.

    What `Independent` and its like do not have is taken of the distribution inside, such as the
    logits of independent Bernoullis.
    """
    if name == "sample":
        return distribution.sample(seed=noise_seed())
    owner = distribution
    while not hasattr(owner, name):
        owner = getattr(owner, "distribution", None)
        if owner is None:
            raise UserError(f"convert_to_tensor_fn is {name!r}, but {distribution.name} has none")
    value = getattr(owner, name)
    if value is None and hasattr(owner, f"{name}_parameter"):
        # `probs` is None where the logits were given; `probs_parameter` computes it of them.
        value = getattr(owner, f"{name}_parameter")
    value = value() if callable(value) and not tf.is_tensor(value) else value
    if value is None:
        raise UserError(f"convert_to_tensor_fn is {name!r}, which {owner.name} was not given")
    return value
