"""`tfvae-train --list`: what can be named on the command line, and what each name takes."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator

from tfvae.errors import unknown_name
from tfvae.options import AXES, REQUIRED, names, parts
from tfvae.options.keras_optimizers import optimizers
from tfvae.runs.fields import __all__ as groups
from tfvae.runs.schema import Field, fields, fields_of, fields_of_optimizer, section

__all__ = ["listing", "width"]

PLURALS = {"recipe": "recipes", "network": "networks", "likelihood": "likelihoods",
           "posterior": "posteriors", "prior": "priors", "objective": "objectives"}  # fmt: skip
WIDEST = 100


def width() -> int:
    """The width of the terminal, up to what is read with ease."""
    return max(40, min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns))


def listing(name: str, configs: Iterable[str]) -> str:
    """What `--list` prints.

    Args:
        name: A part, a group of fields, or `"run"`; empty: all names.
        configs: The names of the configurations.

    Returns:
        The text.

    Raises:
        UnknownNameError: If there is nothing of that name.
    """
    return "\n".join(_everything(configs) if not name else _one(name))


def _everything(configs: Iterable[str]) -> Iterator[str]:
    from tfvae.data.registry import names as datasets

    found = {PLURALS[axis]: names(axis) for axis in AXES}
    found["datasets"] = [*datasets(), "npz:FILE", "images:FOLDER", "tfrecord:GLOB"]
    found["optimizers"] = optimizers()
    found["configs"] = configs
    for kind in ("recipes", "datasets", "likelihoods", "posteriors", "priors", "objectives",
                 "networks", "optimizers", "configs"):  # fmt: skip
        yield f"{kind}:"
        yield from _wrapped(", ".join(found[kind]), 2)
    yield ""
    yield from _wrapped(
        "--list=NAME prints the fields that a recipe, a part or an optimizer takes, with their "
        "defaults; "
        "--list=run those of every run.",
        0,
    )


def _one(name: str) -> Iterator[str]:
    of_parts = [(axis, part) for axis in AXES for part in names(axis) if part == name]
    if not of_parts and name not in groups and name not in optimizers():
        known = {*groups, *optimizers(), *(part for axis in AXES for part in names(axis))}
        raise unknown_name("name of a part", name, known)
    for axis, part in of_parts:
        yield f"{axis} {part}"
        yield from _wrapped(parts(axis)[part].summary, 2)
        if axis == "recipe":
            yield from _of_recipe(part)
        else:
            yield from _described(fields_of(axis, part).values())
        if axis == "posterior" and section(axis, part) != part:
            yield from _wrapped(f"(likelihood {part} has its own in config.{part})", 2)
        yield ""
    if name in optimizers():
        yield f"optimizer {name}"
        yield from _wrapped(optimizers()[name].doc.partition("\n\n")[0], 2)
        yield from _described(fields_of_optimizer(name).values())
    if name in groups:
        prefix = "" if name == "run" else f"{name}."
        found = [field for n, field in fields().items() if n.startswith(prefix)]
        if name == "run":
            found = [f for f in found if "." not in f.name and f.name not in _of_vae()]
        yield from _described(found)


def _of_vae() -> set[str]:
    return set(parts("recipe")["vae"].options)


def _of_recipe(name: str) -> Iterator[str]:
    """A recipe's own fields in its sub-config, then those that recipes share."""
    own = fields_of("recipe", name)
    yield from _described(own.values())
    every = parts("recipe")["vae"].options
    shared = [
        # A field that has a value, such as latent_dim, has it for all recipes.
        fields()[argument]._replace(
            option=option if every[argument].default is None else every[argument]
        )
        for argument, option in parts("recipe")[name].options.items()
        if argument not in own and argument in fields()
    ]
    yield from _described(shared)


def _described(found: Iterable[Field]) -> Iterator[str]:
    for field in found:
        default = field.option.default
        value = "" if default is REQUIRED else f"={_shown(default)}"
        yield f"  --config.{field.name}{value}"
        if not field.known:
            yield from _wrapped(f"{field.kinds}", 6)
        yield from _wrapped(field.option.help.replace("`", ""), 6)


def _shown(value: object) -> str:
    return f"'{value}'" if isinstance(value, tuple) else str(value)


def _wrapped(text: str, indent: int) -> list[str]:
    space = " " * indent
    return textwrap.wrap(
        text, width(), initial_indent=space, subsequent_indent=space, break_on_hyphens=False
    )
