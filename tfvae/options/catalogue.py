"""The parts of the package by axis and name: a class that is added to a folder is found."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from typing import NamedTuple

from tfvae.errors import unknown_name
from tfvae.options.reading import REQUIRED, Option, Symbol, source

__all__ = ["AXES", "Part", "find", "names", "parts", "snake_case"]

# Axis -> the module whose `__all__` is looked through, and the base class of its parts; None: they
# are functions. A distribution's layer says itself what it may be, in its `roles`.
AXES = {
    "recipe": ("tfvae.recipes", None),
    "network": ("tfvae.recipes.trunks", None),
    "likelihood": ("tfvae.layers", "DistributionLayer"),
    "posterior": ("tfvae.layers", "DistributionLayer"),
    "prior": ("tfvae.priors", "Prior"),
    "objective": ("tfvae.objectives", "Objective"),
}
# Arguments that follow from the model or the data: no options of a configuration.
GIVEN = {"event_shape", "conditioner", "classes", "context_size", "network_options"}
OF_LAYERS = {
    "event_size",
    "levels",
    "convert_to_tensor_fn",
    "validate_args",
    "sample_dtype",
    "reparameterize",
}
GIVEN_TO = {
    "likelihood": GIVEN | OF_LAYERS,
    "posterior": GIVEN | OF_LAYERS,
    "prior": GIVEN | {"low", "high"},
}


class Part(NamedTuple):
    """A part by its name.

    Attributes:
        name: Such as `vamp_prior`.
        axis: One of `AXES`.
        module: The module it is public in.
        symbol: The class or function in that module.
        summary: The first line of its docstring.
        arguments: All that its signature has; of a recipe, with those of the one it extends.
        own: Of a recipe, the names of the arguments that it does not have of another one.
        fixed: Of a recipe, the names of the parts that it decides by itself, by the axis.
        values: Of a likelihood, the kind of data that it takes, `"unit"` or `"levels"`.
    """

    name: str
    axis: str
    module: str
    symbol: str
    summary: str
    arguments: dict[str, Option]
    own: frozenset[str]
    fixed: dict[str, str]
    values: str | None

    @property
    def options(self) -> dict[str, Option]:
        """The arguments that a configuration can say."""
        return {
            name: option
            for name, option in self.arguments.items()
            if option.kinds and name not in GIVEN_TO.get(self.axis, GIVEN)
        }

    def load(self):
        """Imports the class or function."""
        return getattr(importlib.import_module(self.module), self.symbol)


def snake_case(name: str) -> str:
    """The name of a class on the command line.

    Args:
        name: Such as `VampPrior`; an `Independent` in front is left out.

    Returns:
        Such as `vamp_prior`.

    Example:
        >>> [snake_case(n) for n in ("IndependentPoisson", "MultivariateNormalTriL", "BetaTCVAE")]
        ['poisson', 'multivariate_normal_tril', 'beta_tcvae']
    """
    name = re.sub(r"^Independent(?=[A-Z])", "", name)
    name = re.sub(r"[A-Z]$", lambda last: last[0].lower(), name)  # TriL is one word
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() if "_" not in name else name


def _fixes(symbol: Symbol) -> tuple | dict[str, str]:
    """What a recipe decides by itself, as `extends` is told."""
    extends = symbol.decorator("extends")
    keywords = extends.keywords if extends else ()
    return {k.arg: ast.literal_eval(k.value) for k in keywords}.get("fixes", ())


def _recipe(symbol: Symbol) -> tuple[dict[str, Option], frozenset[str]]:
    """The arguments of a recipe, with those of the recipe that it extends, and its own ones."""
    own = symbol.options()
    extends = symbol.decorator("extends")
    if extends is None:
        return own, frozenset(own)
    fixed = _fixes(symbol)
    base, _ = _recipe(symbol.source.find(ast.unparse(extends.args[0])))
    rest = {name: option for name, option in base.items() if name not in {*own, *fixed}}
    more = {
        name: option._replace(help=option.help or base[name].help) if name in base else option
        for name, option in own.items()
    }
    return {**more, **rest}, frozenset(own)


def _is_part(axis: str, symbol: Symbol | None) -> bool:
    """Whether a public name of an axis's module is one of its parts."""
    base = AXES[axis][1]
    if symbol is None:
        return False
    if base is None:
        returned = getattr(symbol.node, "returns", None)
        return returned is not None and (ast.unparse(returned) == "VAE" or axis == "network")
    bases = [one.node.name for one in symbol.bases()]
    if base not in bases[1:]:
        return False
    return base != "DistributionLayer" or axis in symbol.attribute("roles")


@functools.cache
def parts(axis: str) -> dict[str, Part]:
    """The parts of an axis by name.

    Args:
        axis: One of `AXES`.

    Returns:
        The parts, sorted by name.

    Example:
        >>> parts("prior")["vamp_prior"].options["pseudo_inputs"].default
        500
    """
    module, _ = AXES[axis]
    found = {}
    for public in source(module).public:
        symbol = source(module).find(public)
        if _is_part(axis, symbol):
            arguments = symbol.options()
            arguments, own = _recipe(symbol) if axis == "recipe" else (arguments, frozenset())
            if axis in GIVEN_TO and any(
                option.default is REQUIRED and not option.kinds and name not in GIVEN_TO[axis]
                for name, option in arguments.items()
            ):
                continue  # made of another object: available from Python only
            summary = symbol.doc.partition("\n\n")[0]
            name = snake_case(public)
            summary = " ".join(summary.split())
            values = symbol.attribute("values")
            fixes = _fixes(symbol) if axis == "recipe" else ()
            fixed = fixes if isinstance(fixes, dict) else {}
            found[name] = Part(name, axis, module, public, summary, arguments, own, fixed, values)
    return dict(sorted(found.items()))


def names(axis: str) -> list[str]:
    """The names of an axis, sorted."""
    return list(parts(axis))


def find(axis: str, name: str) -> Part:
    """Finds a part.

    Args:
        axis: One of `AXES`.
        name: Its name.

    Returns:
        The part.

    Raises:
        UnknownNameError: If there is none of that name.
    """
    if name not in parts(axis):
        raise unknown_name(axis, name, parts(axis))
    return parts(axis)[name]
