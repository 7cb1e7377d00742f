"""The datasets by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from tfvae.data.array_source import array_source
from tfvae.data.source import Source
from tfvae.errors import UserError, unknown_name

__all__ = ["Factory", "Request", "find", "names", "register"]


@dataclasses.dataclass(frozen=True)
class Request:
    """What a dataset was asked for.

    Attributes:
        name: The whole name, such as `"npz:faces.npz#x"`.
        argument: What stands behind the colon, `""` where there is none.
        data_dir: The folder to look in, or `None`.
        size: `(height, width)` to resize images to, or `None`.
        channels: 1 or 3 to convert images to, or `None`.
        damaged: `"refuse"`, or `"skip"`: damaged images and records are left out.
    """

    name: str
    argument: str = ""
    data_dir: str | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None
    damaged: str = "refuse"


DAMAGED = ("refuse", "skip")
Factory = Callable[[Request], Source | np.ndarray | Mapping[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class _Entry:
    factory: Factory
    resizable: bool


_entries: dict[str, _Entry] = {}


def register(name: str, factory: Factory, *, resizable: bool = False) -> None:
    """Adds a dataset under a name of your own; a name that is there already is replaced.

    Args:
        name: The name. One that ends in a colon, such as `"npz:"`, is a prefix: what follows it
            is passed to the factory as `request.argument`.
        factory: Takes a `Request` and returns a `Source`, an array `[n, *shape]` (split 90/10) or
            a dict of arrays named `x_train`, `x_test` and, with labels, `y_train`, `y_test`.
        resizable: Whether the factory heeds `request.size` and `request.channels`.

    Example:
        >>> tfvae.data.register("noise", lambda request: np.random.rand(1000, 8, 8))
        >>> train = tfvae.data.load("noise", "train")
    """
    if not isinstance(name, str) or not name or ":" in name[:-1]:
        raise UserError(f"a dataset cannot be named {name!r}: a colon may stand at the end alone")
    _entries[name] = _Entry(factory, resizable)


def names() -> list[str]:
    """Lists the names of all datasets; those that end in a colon are prefixes."""
    return sorted(_entries)


def find(request: Request) -> Source:
    """Makes the source that a request names."""
    head, colon, argument = str(request.name).partition(":")
    key = head + colon
    if key not in _entries:
        raise unknown_name("dataset", key, _entries)
    entry = _entries[key]
    if colon and not argument:
        raise UserError(f"nothing follows the colon of {request.name!r}: name a file or a folder")
    if not entry.resizable and (request.size is not None or request.channels is not None):
        able = " and ".join(name for name in names() if _entries[name].resizable)
        raise UserError(f"size and channels are for {able}: {key!r} has one shape; leave them out")
    if request.damaged not in DAMAGED:
        raise unknown_name("way with damaged examples", request.damaged, DAMAGED)
    request = dataclasses.replace(request, argument=argument, **_checked(request))
    made = entry.factory(request)
    return made if isinstance(made, Source) else array_source(request.name, made)


def _checked(request: Request) -> dict[str, object]:
    """Checks size and channels, which may come from a config as lists."""
    size, channels = request.size, request.channels
    if size is not None:
        try:
            height, width = size
            good = all(int(side) == side and side >= 1 for side in (height, width))
        except (TypeError, ValueError):
            good = False
        if not good:
            raise UserError(f"size is {size!r}: give (height, width), two whole numbers from 1 up")
        size = (int(height), int(width))
    if channels not in (None, 1, 3):
        raise UserError(f"channels is {channels!r}: give 1 (grey) or 3 (colour)")
    return {"size": size, "channels": channels}
