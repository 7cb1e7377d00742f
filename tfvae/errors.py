"""Errors that a user can repair, and the nearest name for a mistyped one."""

from __future__ import annotations

import codecs
import contextlib
import difflib
import re
from collections.abc import Iterable, Iterator

from tfvae.lazy import public

__all__ = [
    "LostWorkerError",
    "MissingFileError",
    "NoDensityError",
    "UnknownNameError",
    "UserError",
    "one_line",
    "readable_errors",
    "unknown_name",
]
__dir__ = public(__all__)


class UserError(ValueError):
    """A mistake in what the caller gave: the message says what was seen and what to do.

    The command line prints the message alone; from Python it is an ordinary `ValueError`.
    """


class MissingFileError(UserError, FileNotFoundError):
    """A file or folder that the caller named is not there."""


class NoDensityError(UserError):
    """A density was asked for of a distribution that has draws alone."""


class LostWorkerError(UserError):
    """Another process of the cluster stopped: all of them have to be started again."""


class UnknownNameError(UserError, LookupError):
    """A name that is in no registry."""


def one_line(error: BaseException, most: int = 300) -> str:
    """What an error says, in one line of so many characters at most; its type if nothing."""
    text = " ".join(str(error).split())
    return text[:most] + "..." * (len(text) > most) or type(error).__name__


@contextlib.contextmanager
def readable_errors() -> Iterator[None]:
    """Takes the one line of an error in reading data out of the pages that TensorFlow makes of it.

    Raises:
        UserError: Where a part of this package raised one inside a graph.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        told = re.search(r"(assertion failed: \[)?tfvae\.errors\.\w+: ([^\n]+)", str(error))
        if told and type(error).__module__.startswith("tensorflow"):
            text = told[2].strip()
            if told[
                1
            ]:  # TensorFlow escapes an assertion's text as C does, and puts a bracket behind it
                text = codecs.escape_decode(text.rpartition("]")[0])[0].decode("utf-8", "replace")
            raise UserError(text) from error
        raise


MOST = 300  # characters of the known names in a message


def unknown_name(kind: str, name: object, known: Iterable[str]) -> UnknownNameError:
    """Makes the error for an unknown name, with the nearest known ones.

    Args:
        kind: What the name stands for, such as `"dataset"`.
        name: The name that was given.
        known: The names that exist.

    Returns:
        The error, to be raised by the caller.

    Example:
        >>> str(unknown_name("dataset", "mnits", ["digits", "mnist"]))
        "unknown dataset 'mnits': did you mean 'mnist' or 'digits'? Known: digits, mnist"
    """
    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    hint = f" did you mean {' or '.join(map(repr, near))}?" if near else ""
    listed = ", ".join(known)
    if len(listed) > MOST and near:  # a line that is read, and not a page
        listed = f"{len(known)} names, which tfvae-train --list prints"
    return UnknownNameError(f"unknown {kind} {str(name)!r}:{hint} Known: {listed}")
