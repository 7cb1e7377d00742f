"""The fields of a configuration, gathered from the signatures of all parts: one for each option."""

from __future__ import annotations

import functools
from typing import NamedTuple

from tfvae.options import AXES, Option, names, parts
from tfvae.options.keras_optimizers import numbers_of, options_of_all
from tfvae.options.reading import source

__all__ = [
    "GROUPS",
    "OF_THE_OPTIMIZER",
    "Field",
    "fields",
    "fields_of",
    "fields_of_optimizer",
    "of_the_model",
    "section",
]

# Sub-configs that are no parts: functions of tfvae/runs/fields.py.
GROUPS = ("beta_schedule", "learning_rate_schedule", "evaluation")
# The sub-config of what Keras's optimizers take.
OF_THE_OPTIMIZER = "optimizer_options"


class Field(NamedTuple):
    """A field of the configuration.

    Attributes:
        name: Its name, with a dot where it is in a sub-config.
        option: The argument that it stands for.
        known: The names that it may have, where it names a part.
    """

    name: str
    option: Option
    known: tuple[str, ...]

    @property
    def kinds(self) -> str:
        """The values that it takes, in words."""
        if self.option.choices or self.known:
            more = [str(self.option.bounds)] if float in self.option.kinds else []
            return " | ".join([*(self.option.choices or self.known), *more])
        words = [kind.__name__ for kind in self.option.kinds]
        bounds = f" {self.option.bounds}" if self.option.bounds else ""
        return " | ".join(words) + bounds


@functools.cache
def of_the_model() -> dict[str, Option]:
    """The options that all recipes share: the arguments of `vae`."""
    return parts("recipe")["vae"].options


def section(axis: str, name: str) -> str:
    """The sub-config that holds what a part takes: that of its name.

    Args:
        axis: The part's axis.
        name: Its name.

    Returns:
        The name; with the axis behind it where a likelihood has the same, or a field of every
        recipe: `normal_posterior`, `beta_likelihood`.
    """
    taken = parts("likelihood") if axis == "posterior" else of_the_model()
    return f"{name}_{axis}" if name in taken else name


def _options_of(axis: str, name: str) -> dict[str, Option]:
    """What a part takes beyond the fields that all recipes share."""
    part = parts(axis)[name]
    shared = of_the_model() if axis in ("recipe", "network", "objective") else {}
    return {n: option for n, option in part.options.items() if n not in shared}


def fields_of(axis: str, name: str) -> dict[str, Field]:
    """The fields of the sub-config of a part.

    Args:
        axis: The part's axis.
        name: Its name.

    Returns:
        The fields by the name of the argument.
    """
    prefix = section(axis, name)
    return {
        argument: Field(f"{prefix}.{argument}", option, ())
        for argument, option in _options_of(axis, name).items()
    }


def fields_of_optimizer(name: str) -> dict[str, Field]:
    """The numbers that an optimizer of Keras takes beside the fields of every run.

    Args:
        name: Its name, such as `"sgd"`.

    Returns:
        The fields by the name of the argument, with the optimizer's own defaults.

    Example:
        >>> fields_of_optimizer("sgd")["momentum"].name
        'optimizer_options.momentum'
    """
    return {
        argument: Field(f"{OF_THE_OPTIMIZER}.{argument}", option, ())
        for argument, option in numbers_of(name).items()
    }


def _group(function: str) -> dict[str, Option]:
    return source("tfvae.runs.fields").find(function).options()


@functools.cache
def fields() -> dict[str, Field]:
    """All fields by name: those of the run, of the model, and of what its parts take.

    Example:
        >>> fields()["vamp_prior.pseudo_inputs"].option.default
        500
    """
    plain = {**_group("run"), **of_the_model()}
    found = {
        name: Field(name, option, tuple(names(name)) if name in AXES else ())
        for name, option in plain.items()
    }
    for group in GROUPS:
        for name, option in _group(group).items():
            found[f"{group}.{name}"] = Field(f"{group}.{name}", option, ())
    for argument, option in options_of_all().items():
        name = f"{OF_THE_OPTIMIZER}.{argument}"
        found[name] = Field(name, option, ())
    for axis in AXES:
        for name in names(axis):
            for field in fields_of(axis, name).values():
                found.setdefault(field.name, field)
    return found
