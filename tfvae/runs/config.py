"""The configuration of a run: every field with its default, and what is checked of it."""

from __future__ import annotations

import numbers
import re
from collections.abc import Mapping

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from tfvae.errors import UserError, unknown_name
from tfvae.options import REQUIRED, find
from tfvae.options.bounds import LAYERS
from tfvae.runs.schema import (
    OF_THE_OPTIMIZER,
    Field,
    fields,
    fields_of,
    fields_of_optimizer,
    of_the_model,
)

__all__ = ["check_config", "default_config", "flat", "interval", "learns_labels", "part_of"]

INTERVAL = re.compile(r"(\d+) *(epoch|step)s?|(\d+)")
PARTS = ("network", "likelihood", "posterior", "prior", "objective")
# What a recipe takes where nothing else is named.
DEFAULTS = {"posterior": "normal", "prior": "standard_normal", "objective": "elbo"}
IDLE = ("hidden",)  # belongs to an MLP: ignored for other networks
OF_THE_OBJECTIVE = ("beta", "free_bits", "capacity", "samples", "kl")


def default_config() -> ConfigDict:
    """Makes the default configuration: the handwritten digits inside scikit-learn.

    Its fields follow from signatures: those of `tfvae/runs/fields.py`, of `tfvae.recipes.vae`, and,
    in a sub-config of its name, of every recipe, network, likelihood, posterior, prior and
    objective. `tfvae-train --list` prints them.

    Returns:
        A configuration; a file under `configs/` changes what differs in it.

    Example:
        >>> default_config().dataset
        'digits'
    """
    config = ConfigDict()
    for name, field in fields().items():
        group, _, last = name.rpartition(".")
        if group and group not in config:
            config[group] = ConfigDict()
        _put(config[group] if group else config, last, field)
    return config.lock()  # a mistyped field is refused


def _put(config: ConfigDict, name: str, field: Field) -> None:
    """Makes a field that refuses values of another type."""
    kinds, default = field.option.kinds, field.option.default
    if len(kinds) > 1:
        config[name] = placeholder(object)
    elif default in (None, REQUIRED):
        config[name] = placeholder(kinds[0])
    if default not in (None, REQUIRED):
        config[name] = default


def part_of(config: ConfigDict, axis: str) -> str | None:
    """The name of the part that a configuration takes.

    Args:
        config: The configuration.
        axis: Such as `"prior"`.

    Returns:
        The name; None where the recipe has one of its own.
    """
    if axis not in find("recipe", config.recipe).arguments:
        return None
    return config[axis] or DEFAULTS[axis]


def learns_labels(config: ConfigDict) -> bool:
    """Whether the objective has a head that tells the classes."""
    name = part_of(config, "objective")
    return name is not None and "classes" in find("objective", name).arguments


def check_config(config: ConfigDict) -> None:
    """Refuses a configuration before any work is done with it.

    Args:
        config: The configuration.

    Raises:
        UserError: If a name is unknown, a number is out of its range, or two fields exclude each
            other.
    """
    from tfvae.runs.sizes import check_sizes  # imports TensorFlow

    known, given = fields(), flat(config)
    for name, value in given.items():
        if name not in known:
            raise unknown_name("field of the configuration", name, known)
        _check(known[name], value)
    interval(config.checkpoint_every)
    if len(config.image_size) not in (0, 2):
        raise UserError(f"config.image_size is {config.image_size!r}: give (height, width)")
    _check_names_of_keras(given)
    _check_optimizer(config)
    _check_parts(config, given)
    check_sizes(given)


def _check(field: Field, value: object) -> None:
    """Refuses a value that an option does not take."""
    name, option = f"config.{field.name}", field.option
    if value is None or (isinstance(value, str) and option.kinds == (str,) and not _named(field)):
        return
    if isinstance(value, str) and (option.choices or field.known):
        if float in option.kinds and _is_number(value):
            value = float(value)
        elif value not in (option.choices or field.known):
            raise unknown_name(name, value, option.choices or field.known)
    if isinstance(value, list):
        _check_numbers(name, value, option)
    elif isinstance(value, numbers.Real) and not isinstance(value, bool) and option.bounds:
        if not option.bounds.hold(value):
            raise UserError(f"{name} is {_shown(value)}: give a number {option.bounds}")
    elif isinstance(value, numbers.Real) and not abs(value) <= 1e9:
        raise UserError(f"{name} is {_shown(value)}: give a number up to {10**9}")


def _named(field: Field) -> bool:
    return bool(field.option.choices or field.known)


def _check_numbers(name: str, value: list, option) -> None:
    """Refuses a sequence that is too long, or not of whole numbers within the bounds."""
    whole = all(isinstance(n, numbers.Integral) and not isinstance(n, bool) for n in value)
    high = option.bounds.high if option.bounds else 10**5
    if not whole or any(n < 1 for n in value) or (option.bounds and not value and option.default):
        raise UserError(f"{name} is {tuple(value)!r}: give positive whole numbers")
    if len(value) > LAYERS or any(n > high for n in value):
        shown = repr(value[:4])[:60] + f" and {len(value) - 4} more" * (len(value) > 4)
        raise UserError(f"{name} is {shown}: give at most {LAYERS} numbers up to {high}")


def _shown(value: float) -> str:
    return repr(value) if not abs(value) >= 10**15 else f"{min(value, 1e300):.3g}"


def _is_number(text: str) -> bool:
    try:
        return bool(text) and float(text) is not None
    except ValueError:
        return False


def _check_names_of_keras(given: Mapping[str, object]) -> None:
    import keras

    from tfvae.optimizers import optimizer_names

    activations = [name for name in dir(keras.activations) if name.islower() and name[0] != "_"]
    known = {"optimizer": optimizer_names(), "activation": activations}
    for name, value in given.items():
        of_kind = known.get(name.rpartition(".")[2])
        if of_kind is not None and value not in of_kind:
            raise unknown_name(f"config.{name}", value, of_kind)


def _check_optimizer(config: ConfigDict) -> None:
    if config.clipnorm is not None and config.global_clipnorm is not None:
        raise UserError(
            "config.clipnorm and config.global_clipnorm exclude each other: set one of them"
        )
    takes = fields_of_optimizer(config.optimizer)
    for name, value in config[OF_THE_OPTIMIZER].items():
        if value is not None and name not in takes:
            known = f"takes {', '.join(sorted(takes))}" if takes else "has no numbers of its own"
            raise UserError(
                f"config.{OF_THE_OPTIMIZER}.{name}={value!r}: the optimizer {config.optimizer} "
                f"does not take it, it {known}: leave it out"
            )
    how = config.learning_rate_schedule
    if how.name in ("cosine", "exponential") and how.steps is None:
        raise UserError(
            f"config.learning_rate_schedule.name={how.name} takes a number of steps: set "
            "config.learning_rate_schedule.steps"
        )


def _check_parts(config: ConfigDict, given: Mapping[str, object]) -> None:
    """Refuses parts and numbers that the recipe, or the objective, does not take."""
    recipe = find("recipe", config.recipe)
    for name, option in of_the_model().items():
        value = config[name]
        if name not in recipe.arguments and name not in IDLE and value != option.default:
            raise UserError(
                f"config.{name}={value!r}: the recipe {config.recipe} has its own {name}: leave "
                "one of them out"
            )
    for axis in PARTS:
        name = part_of(config, axis)
        for argument, field in (fields_of(axis, name) if name else {}).items():
            if field.option.default is REQUIRED and given[field.name] is None:
                raise UserError(
                    f"config.{field.name} is not set, and {name} takes {argument}: give a number "
                    f"{field.option.bounds}"
                )
    _check_labels(config)
    if config.objective is not None:
        takes = find("objective", config.objective).arguments
        for name in OF_THE_OBJECTIVE:
            if config[name] is not None and name not in takes:
                raise UserError(
                    f"config.{name}={config[name]!r}: the objective {config.objective} does not "
                    f"take it: leave it out"
                )
        if config.beta_schedule.name != "constant" and "beta" not in takes:
            raise UserError(
                f"config.beta_schedule.name={config.beta_schedule.name}: the objective "
                f"{config.objective} has no beta: leave it out"
            )
    if config.beta_schedule.name != "constant" and "beta" not in recipe.arguments:
        raise UserError(
            f"config.beta_schedule.name={config.beta_schedule.name}: the recipe {config.recipe} "
            "has no beta: leave it out"
        )
    own = recipe.fixed.get("fit_prior")
    if own is not None and config.fit_prior is not None:
        raise UserError(
            f"config.fit_prior={config.fit_prior}: the recipe {config.recipe} fits its own, {own}: "
            "leave it out"
        )
    likelihood = recipe.fixed.get("likelihood", config.likelihood)
    if likelihood != "bernoulli" and config.binarization not in ("auto", "none"):
        raise UserError(
            f"config.binarization={config.binarization} is for config.likelihood=bernoulli, not "
            f"{likelihood}: take auto or none"
        )
    if config.free_bits is not None and config.capacity is not None:
        raise UserError("config.free_bits and config.capacity exclude each other: set one of them")


def _check_labels(config: ConfigDict) -> None:
    """Refuses labels that are told and learned at once, or left out where nobody takes them."""
    recipe = find("recipe", config.recipe)
    told = config.conditioning == "labels"
    if told and "conditioner" not in recipe.arguments:
        raise UserError(
            f"config.conditioning=labels: the recipe {config.recipe} takes the labels by itself: "
            "leave it out"
        )
    learns = learns_labels(config)
    if learns and (told or "classes" in recipe.arguments):
        who = "config.conditioning" if told else f"the recipe {config.recipe}"
        raise UserError(
            f"config.objective={config.objective} learns the labels, and {who} tells them: leave "
            "one of the two out"
        )
    if config.labelled is not None and not learns and "classes" not in recipe.arguments:
        raise UserError(
            f"config.labelled={config.labelled}: neither the recipe {config.recipe} nor its "
            "objective takes labels of which some are missing: leave it out, or take m2 or "
            "config.objective=supervised"
        )


def interval(value: object) -> tuple[int, str]:
    """Reads how often something is done.

    Args:
        value: A number of epochs, or text such as `"2 epochs"` or `"500 steps"`.

    Returns:
        The number and its unit, `"epoch"` or `"step"`.

    Raises:
        UserError: If it cannot be read.

    Example:
        >>> interval("500 steps")
        (500, 'step')
    """
    match = INTERVAL.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    number = int(match[1] or match[3]) if match else 0
    if number < 1:
        raise UserError(
            f"config.checkpoint_every is {value!r}: give a number of epochs from 1, or text such "
            "as '2 epochs' or '500 steps'"
        )
    return number, match[2] or "epoch"


def flat(config: ConfigDict, prefix: str = "") -> dict[str, object]:
    """The values of all fields, those of sub-configs under names with dots.

    Args:
        config: A configuration.
        prefix: What stands before each name.

    Returns:
        Values by name; a tuple, which JSON does not have, as a list.
    """
    values = {}
    for name, value in config.items():
        if isinstance(value, ConfigDict):
            values |= flat(value, f"{prefix}{name}.")
        else:
            values[prefix + name] = list(value) if isinstance(value, tuple) else value
    return values
