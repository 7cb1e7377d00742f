"""Reads signatures and docstrings from the source: the command line asks before TensorFlow loads.

Importing the layers takes seconds, `--help`, `--list` and a mistyped field should not: what a part
takes is read here from its file, and a test holds it against `inspect.signature`.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import re
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tfvae.options import bounds

__all__ = ["REQUIRED", "Option", "Source", "Symbol", "source"]

ROOT = Path(__file__).parents[2]
ARGS = re.compile(r"^Args:\n(.*?)(?=^\S|\Z)", re.DOTALL | re.MULTILINE)
ARGUMENT = re.compile(r"^ {4}\**(\w+):(.*?)(?=^ {4}\S|\Z)", re.DOTALL | re.MULTILINE)
PLAIN = (bool, int, float, str)


class _Required:
    """Stands for the default of an argument that has none."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED = _Required()


class _Dotted(type):
    """`keras.layers.Layer`, of something that was not imported."""

    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls


class _Unknown(metaclass=_Dotted):
    """What an annotation names that is neither a plain type nor one of `tfvae.options.bounds`."""

    def __class_getitem__(cls, item: object) -> type:
        return cls


class _Names(dict):
    """The names in an annotation."""

    def __missing__(self, name: str) -> type:
        return _Unknown


_NAMES = {
    **{name: getattr(bounds, name) for name in bounds.__all__},
    **{kind.__name__: kind for kind in (*PLAIN, dict, list, tuple)},
    "Literal": typing.Literal,
    "Mapping": _Unknown,
    "Sequence": Sequence,
}


class Option(NamedTuple):
    """One argument of a part.

    Attributes:
        name: Its name.
        kinds: The plain types that it takes, of bool, int, float, str and tuple (for a sequence of
            whole numbers); empty: objects of Python alone.
        default: What it is by itself; `REQUIRED`: it has to be given.
        choices: The values that it may have, where they are few.
        bounds: Where its numbers have to lie.
        help: Its line in the docstring.
    """

    name: str
    kinds: tuple[type, ...]
    default: object
    choices: tuple[str, ...]
    bounds: bounds.Bounds | None
    help: str


class Symbol(NamedTuple):
    """A class or a function of the package, as its file has it.

    Attributes:
        source: The file.
        node: Its part of the file.
    """

    source: Source
    node: ast.ClassDef | ast.FunctionDef

    @property
    def doc(self) -> str:
        """The docstring."""
        return ast.get_docstring(self.node) or ""

    def bases(self) -> Iterator[Symbol]:
        """The class and all classes of the package that it extends, the nearest first."""
        yield self
        for base in getattr(self.node, "bases", ()):
            if isinstance(base, ast.Name) and (found := self.source.find(base.id)):
                yield from found.bases()

    def attribute(self, name: str) -> object:
        """The value of a class's attribute, which has to be a literal; None if there is none."""
        for symbol in self.bases():
            for line in symbol.node.body:
                if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == name:
                    return ast.literal_eval(line.value)
        return None

    def options(self) -> dict[str, Option]:
        """The arguments by name, without `self`, `*args` and `**kwargs`."""
        symbols = list(self.bases())
        made = (
            (line for symbol in symbols for line in symbol.node.body if _makes(line))
            if isinstance(self.node, ast.ClassDef)
            else iter([self.node])
        )
        docs = {}
        for symbol in reversed(symbols):
            docs |= _documented(symbol.doc)
        arguments = getattr(next(made, None), "args", None)
        if arguments is None:
            return {}
        given = [*arguments.posonlyargs, *arguments.args]
        given = given[1:] if isinstance(self.node, ast.ClassDef) else given
        missing = [None] * (len(given) - len(arguments.defaults))
        pairs = [
            *zip(given, [*missing, *arguments.defaults][-len(given) or None :], strict=True),
            *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        ]
        return {a.arg: _option(a, default, docs.get(a.arg, "")) for a, default in pairs}

    def decorator(self, name: str) -> ast.Call | None:
        """The call of a decorator, `@name(...)`."""
        for line in self.node.decorator_list:
            if isinstance(line, ast.Call) and ast.unparse(line.func) == name:
                return line
        return None


class Source:
    """A file of the package.

    Args:
        module: Its name, such as `tfvae.priors`.

    Raises:
        OSError: If there is no such file.
    """

    def __init__(self, module: str):
        path = _path(module)
        package = module.partition(".")[0]
        self.module = module
        self.path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        self.tree = ast.parse(self.path.read_text("utf-8"))
        self.defined, self.imported = {}, {}
        for line in self.tree.body:
            if isinstance(line, (ast.ClassDef, ast.FunctionDef)):
                self.defined[line.name] = line
            elif isinstance(line, ast.ImportFrom) and (line.module or "").startswith(package):
                self.imported |= {a.asname or a.name: (line.module, a.name) for a in line.names}

    @property
    def public(self) -> list[str]:
        """What stands in `__all__`."""
        for line in self.tree.body:
            if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "__all__":
                return ast.literal_eval(line.value)
        return []

    def find(self, name: str) -> Symbol | None:
        """A class or function by its name here, wherever it was imported from."""
        if name in self.defined:
            return Symbol(self, self.defined[name])
        if name in self.imported:
            module, original = self.imported[name]
            if _path(f"{module}.{original}").with_suffix(".py").exists():
                return None  # a module
            return source(module).find(original)
        return None


@functools.cache
def source(module: str) -> Source:
    """A file of the package, read once."""
    return Source(module)


def _path(module: str) -> Path:
    """Where a module is, without its ending; it is not imported."""
    package, *rest = module.split(".")
    return _package(package).joinpath(*rest)


@functools.cache
def _package(name: str) -> Path:
    if name == "tfvae":
        return ROOT / name
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(name)
    return Path(found.submodule_search_locations[0])


def _makes(line: ast.stmt) -> bool:
    return isinstance(line, ast.FunctionDef) and line.name == "__init__"


def _option(argument: ast.arg, default: ast.expr | None, help: str) -> Option:
    """An argument of its annotation and default."""
    kinds, choices, within = (), (), None
    if argument.annotation is not None:
        kinds, choices, within = _kinds(eval(ast.unparse(argument.annotation), _Names(_NAMES)))
    value = REQUIRED
    if default is not None:
        try:
            value = ast.literal_eval(default)
        except ValueError:
            kinds, value = (), None  # the result of a call or the like
    return Option(argument.arg, kinds, value, choices, within, help)


def _kinds(annotation: object) -> tuple[tuple[type, ...], tuple[str, ...], bounds.Bounds | None]:
    """The plain types, choices and bounds of an annotation."""
    kinds, choices, within = [], [], None
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        inner, within = annotation.__origin__, annotation.__metadata__[0]
        return (*_kinds(inner)[:2], within)
    if origin in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            more, several, bounded = _kinds(part)
            kinds += more
            choices += several
            within = within or bounded
    elif origin is typing.Literal:
        kinds, choices = [str], list(typing.get_args(annotation))
    elif annotation in PLAIN:
        kinds = [annotation]
    elif origin is not None and typing.get_args(annotation)[:1] == (int,):
        kinds = [tuple]
    return tuple(dict.fromkeys(kinds)), tuple(choices), within


def _documented(doc: str) -> dict[str, str]:
    """The lines of the section Args, by argument."""
    section = ARGS.search(inspect.cleandoc(doc))
    found = ARGUMENT.finditer(section[1] if section else "")
    return {match[1]: " ".join(match[2].split()) for match in found}
