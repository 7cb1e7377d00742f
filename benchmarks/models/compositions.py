"""A recipe as the page shows it: its own text, without what is for readers of the reference."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable

__all__ = ["code_of", "papers_of", "summary_of"]

WIDTH = 100
INNER = "\N{NO-BREAK SPACE}"  # no line is broken within an argument


def code_of(recipe: Callable) -> str:
    """The definition as it stands, without decorator, docstring and annotations."""
    text = textwrap.dedent(inspect.getsource(inspect.unwrap(recipe)))
    (node,) = ast.parse(text).body
    documented = ast.get_docstring(node) is not None
    first = node.body[1 if documented else 0]
    body = text.splitlines()[node.body[0].end_lineno if documented else first.lineno - 1 :]
    while body and not body[0].strip():
        del body[0]
    lines = [line.partition("  # fmt: skip")[0] for line in body]
    return "\n".join([_head(node), *lines])


def _head(node: ast.FunctionDef) -> str:
    """The line `def name(...)`, of the arguments with their defaults alone."""
    parts = []
    for parameter in inspect.signature(_bare(node)).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        text = str(parameter).replace("'", '"').replace(" ", INNER)
        parts.append(text)
    text = f"def {node.name}({', '.join(parts)}):"
    wrapped = textwrap.wrap(
        text, WIDTH, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(wrapped).replace(INNER, " ")


def _bare(node: ast.FunctionDef) -> Callable:
    """A function of the same arguments, without annotations and without anything to do."""
    for argument in ast.walk(node.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    names: dict = {}
    exec(f"def bare({ast.unparse(node.args)}): pass", names)
    return names["bare"]


def _paragraphs(recipe: Callable) -> str:
    return inspect.getdoc(recipe) or ""


def summary_of(recipe: Callable) -> str:
    """What it is: the first line of its docstring."""
    return " ".join(_paragraphs(recipe).partition("\n\n")[0].split())


def papers_of(recipe: Callable) -> str:
    """Where it was published: the references of its docstring."""
    return " ".join(_paragraphs(recipe).partition("References:\n")[2].split())
