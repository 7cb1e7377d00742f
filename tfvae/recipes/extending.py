"""`extends`: a recipe that takes the arguments of another one besides its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tfvae.errors import UserError, unknown_name

__all__ = ["extends"]


Recipe = TypeVar("Recipe", bound=Callable)


def extends(
    base: Callable, *, fixes: Sequence[str] | Mapping[str, str] = ()
) -> Callable[[Recipe], Recipe]:
    """Gives a recipe the arguments of another one, as its `**options`, with their defaults.

    They stand in its signature, where `help`, editors and the command line look, and one that it
    does not take is refused with the nearest name.

    Args:
        base: The recipe that it calls.
        fixes: Arguments of `base` that it decides by itself; as a mapping, to the names of the
            parts that it takes: the command line loads the data for that likelihood.

    Returns:
        The decorator.
    """

    def decorate(recipe: Recipe) -> Recipe:
        own = [
            p
            for p in inspect.signature(recipe).parameters.values()
            if p.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        taken = {p.name for p in own} | set(fixes)
        rest = [p for p in inspect.signature(base).parameters.values() if p.name not in taken]
        known = [p.name for p in (*own, *rest)]
        defaults = {p.name: p.default for p in rest}

        @functools.wraps(recipe)
        def checked(*args, **kwargs):
            name = recipe.__name__
            for argument in kwargs:
                if argument in fixes:
                    raise UserError(
                        f"{argument}: {name} has its own, or no use for one, leave it out"
                    )
                if argument not in known:
                    raise unknown_name(f"argument of {name}", argument, known)
            return recipe(*args, **{**defaults, **kwargs})

        checked.__signature__ = inspect.signature(recipe).replace(parameters=[*own, *rest])
        return checked

    return decorate
