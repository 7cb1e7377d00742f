"""Labels as colours."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb

from tfvae.errors import UserError
from tfvae.plots.style import class_colour

__all__ = ["Classes", "classes"]

_MOST = 20


@dataclasses.dataclass(frozen=True)
class Classes:
    """Labels as they are drawn.

    Attributes:
        colours: Of each example: RGB `[B, 3]` of its class, or `[B]` numbers for a colour scale.
        entries: Name, colour and mask `[B]` of each class; empty on a colour scale.
    """

    colours: np.ndarray
    entries: list[tuple[str, str, np.ndarray]]


def classes(labels: Any, names: Sequence[str] | None, count: int) -> Classes | None:
    """Gives labels their colours.

    Args:
        labels: `[B]` or `[B, 1]`, or None.
        names: Names of the classes, or None.
        count: B.

    Returns:
        The colours; None without labels.
    """
    if labels is None:
        return None
    labels = np.asarray(labels)
    if labels.size != count:
        raise UserError(f"labels have shape {labels.shape}: give one label an example, [{count}]")
    labels = labels.reshape(count)
    found = np.unique(labels)
    numeric = labels.dtype.kind in "biuf"
    if numeric and (len(found) > _MOST or (found != np.round(found)).any()):
        return Classes(labels.astype(np.float32), [])
    index = range(len(found))
    if names is not None and numeric and found.min() >= 0 and found.max() < len(names):
        # The labels are indices: a class that is absent does not shift the others' names.
        index = found.astype(int)
    elif names is not None and len(names) != len(found):
        raise UserError(f"names has {len(names)} entries for the {len(found)} classes in labels")
    entries = [
        (
            str(names[place]) if names is not None else _plain(value),
            class_colour(int(place)),
            labels == value,
        )
        for place, value in zip(index, found, strict=True)
    ]
    colours = np.zeros([count, 3], np.float32)
    for _, colour, members in entries:
        colours[members] = to_rgb(colour)
    return Classes(colours, entries)


def _plain(value: Any) -> str:
    """`3` for 3.0, and text for bytes."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return f"{value:g}" if isinstance(value, np.floating) else str(value)
