"""What Keras's optimizers take: read from Keras's files, as the package's parts are from ours."""

from __future__ import annotations

import functools

from tfvae.options.bounds import Bounds
from tfvae.options.reading import Option, Symbol, source

__all__ = ["numbers_of", "optimizers", "options_of_all"]

MODULE = "keras.optimizers"
NOT_NAMED = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap"}
DECAYS = dict.fromkeys(
    ("momentum", "rho", "beta_1", "beta_2", "adam_beta_1", "adam_beta_2"), Bounds(0, 1, below=True)
)
BOUNDS = {**DECAYS, **dict.fromkeys(("epsilon", "epsilon_1", "epsilon_2"), Bounds(0))}


@functools.cache
def optimizers() -> dict[str, Symbol]:
    """Keras's optimizers by the name of the class in lower case, sorted.

    Example:
        >>> sorted(optimizers())[:2]
        ['adadelta', 'adafactor']
    """
    try:
        home = source(MODULE)
        found = {name: home.find(name) for name in home.imported if name[0].isupper()}
    except OSError:  # another layout of its files: the optimizers keep the numbers that they have
        return {}
    known = {n.lower(): s for n, s in found.items() if s is not None and n not in NOT_NAMED}
    return dict(sorted(known.items()))


@functools.cache
def numbers_of(name: str) -> dict[str, Option]:
    """The numbers and switches that an optimizer has beside those that all of them have.

    Args:
        name: Its name, such as `"sgd"`.

    Returns:
        What it takes, with its own defaults; nothing where there is no such optimizer.

    Example:
        >>> {name: option.default for name, option in numbers_of("sgd").items()}
        {'momentum': 0.0, 'nesterov': False}
    """
    if name not in optimizers():
        return {}
    taken = {n: symbol.options() for n, symbol in optimizers().items()}
    common = set.intersection(*map(set, taken.values()))
    own = {n: _typed(option) for n, option in taken[name].items() if n not in common}
    return {n: option for n, option in own.items() if option.kinds}


@functools.cache
def options_of_all() -> dict[str, Option]:
    """The numbers of all optimizers by name; their default is None, that of the optimizer."""
    takers: dict[str, list[str]] = {}
    options: dict[str, Option] = {}
    for name in optimizers():
        for argument, option in numbers_of(name).items():
            takers.setdefault(argument, []).append(name)
            options.setdefault(argument, option._replace(default=None))
    return {
        argument: option._replace(help=f"Of {', '.join(takers[argument])}: {option.help}")
        for argument, option in options.items()
    }


def _typed(option: Option) -> Option:
    """Keras annotates nothing: the type is that of the default, or what its docstring says."""
    value, words = option.default, option.help.lower().removeprefix("a ")
    kinds = (type(value),) if isinstance(value, (bool, int, float)) else ()
    if kinds == (int,) and words.startswith("float"):
        kinds, value = (float,), float(value)
    help = option.help.partition(" Defaults to")[0].partition("Defaults to")[0]
    return option._replace(
        kinds=kinds, default=value, help=help, bounds=BOUNDS.get(option.name, option.bounds)
    )
