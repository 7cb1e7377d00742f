"""Variables that nobody trains: a distribution, a bijector or a function that holds some."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError

__all__ = ["refuse_untracked"]

_PARAMETERIZED = (tfp.distributions.Distribution, tfp.bijectors.Bijector)


def refuse_untracked(part: str, value) -> None:
    """Refuses what holds trainable variables that Keras does not see.

    Keras trains and saves the weights of layers, and no `tf.Variable` inside of an object of tfp
    or a function's closure. Of a Keras variable a distribution keeps the value that it had.
    `tf.Variable(..., trainable=False)` passes: a constant.

    Args:
        part: What the value is, for the message.
        value: A distribution, a bijector, a function, or a number; anything else passes.

    Raises:
        UserError: If it holds trainable variables.

    Example:
        >>> refuse_untracked("prior", tfp.distributions.Normal(0.0, tf.Variable(1.0)))
        Traceback (most recent call last):
        tfvae.errors.UserError: prior holds the variable 'Variable:0', which Keras does not see ...
    """
    for variable in _held(value):
        raise UserError(
            f"{part} holds the variable {variable.name!r}, which Keras does not see and would not "
            "train: let a Keras layer own it with add_weight and make the distribution in its "
            "call, or, if it is not to be trained, make it with trainable=False"
        )


def _held(value) -> Iterator[tf.Variable | keras.Variable]:
    if isinstance(value, keras.layers.Layer):
        return
    if isinstance(value, (tf.Variable, keras.Variable)):
        if value.trainable:
            yield value
    elif isinstance(value, _PARAMETERIZED):
        yield from value.trainable_variables
        for argument in tf.nest.flatten(list(value.parameters.values())):
            if isinstance(argument, keras.Variable) and argument.trainable:
                yield argument
            elif isinstance(argument, _PARAMETERIZED) and argument is not value:
                yield from _held(argument)
    elif callable(value):
        yield from (v for v in _closed_over(value) if isinstance(v, tf.Variable) and v.trainable)


def _closed_over(function: Callable) -> list:
    """What a function reaches by its closure, defaults, arguments bound, and by global names."""
    found = []
    while isinstance(function, functools.partial):
        found += [*function.args, *function.keywords.values()]
        function = function.func
    function = inspect.unwrap(function)
    if inspect.ismethod(function):
        function = function.__func__
    if inspect.isfunction(function):
        names = inspect.getclosurevars(function)
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        found += [*names.nonlocals.values(), *names.globals.values(), *defaults]
    return tf.nest.flatten(found)
