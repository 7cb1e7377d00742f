"""Keras's optimizers by name."""

from __future__ import annotations

import inspect

import keras

from tfvae.errors import unknown_name
from tfvae.lazy import public

__all__ = ["optimizer_class", "optimizer_names"]
__dir__ = public(__all__)


def _classes() -> dict[str, type]:
    return {
        name.lower(): value
        for name, value in vars(keras.optimizers).items()
        if isinstance(value, type)
        and issubclass(value, keras.optimizers.Optimizer)
        # Neither the base nor what is made of other optimizers.
        and value is not keras.optimizers.Optimizer
        and next(iter(inspect.signature(value).parameters)) == "learning_rate"
    }


def optimizer_names() -> list[str]:
    """The names of all optimizers of Keras, in lower case, sorted."""
    return sorted(_classes())


def optimizer_class(name: str) -> type[keras.optimizers.Optimizer]:
    """Finds an optimizer of Keras.

    Args:
        name: Its class's name in lower case, such as `"adamw"`.

    Returns:
        The class.

    Raises:
        UnknownNameError: If there is none of that name.

    Example:
        >>> optimizer_class("sgd").__name__
        'SGD'
    """
    known = _classes()
    if name not in known:
        raise unknown_name("optimizer", name, known)
    return known[name]
