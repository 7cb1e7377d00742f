"""The common look of the figures, set on the artists: no global switch of matplotlib is touched."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

__all__ = [
    "BASE",
    "CLASSES",
    "CONTRAST",
    "DPI",
    "INK",
    "MUTED",
    "RULE",
    "class_colour",
    "new_figure",
    "style_axes",
    "text",
]

DPI = 150
"""Dots per inch of every figure, except galleries of large images, which have more."""

INK = "#222222"
MUTED = "#6b6b6b"
RULE = "#e4e4e4"

BASE = "#0072b2"
"""Data and training (Okabe and Ito's blue)."""

CONTRAST = "#d55e00"
"""Reconstruction and validation (Okabe and Ito's vermilion), distinct from `BASE` to any eye."""

CLASSES = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
"""Ten colours for classes: M. A. Petroff, "Accessible Color Sequences for Data Visualization",
arXiv:2107.02270, found by optimising for colour-vision deficiencies."""


def class_colour(index: int) -> str:
    """Gives the colour of a class: the ten of `CLASSES`, then darker ones, then again."""
    shade = 0.55 if index // len(CLASSES) % 2 else 1.0
    return to_hex([shade * part for part in to_rgb(CLASSES[index % len(CLASSES)])])


_FAMILY = "DejaVu Sans"  # comes with matplotlib, so a figure is the same on every machine
_SIZES = {"title": 11.0, "label": 9.5, "tick": 8.5}


def text(role: str = "label", **changes: object) -> dict[str, object]:
    """Gives the keyword arguments of a matplotlib text.

    Args:
        role: `"title"`, `"label"` or `"tick"`: the size, in points.
        **changes: Arguments that are set otherwise.

    Returns:
        Keyword arguments for `Axes.text`, `Axes.set_xlabel` and the like.

    Example:
        >>> text("tick")["fontsize"]
        8.5
    """
    return {"fontsize": _SIZES[role], "family": _FAMILY, "color": INK, **changes}


def new_figure(width: float, height: float) -> Figure:
    """Makes a white figure whose labels neither overlap nor are cut off.

    Args:
        width: Inches.
        height: Inches.

    Returns:
        An empty figure, known to no global state.
    """
    figure = Figure((width, height), dpi=DPI, facecolor="white", layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    return figure


def style_axes(axes: Axes, *, title: str = "", xlabel: str = "", ylabel: str = "") -> Axes:
    """Gives axes the common look.

    Args:
        axes: The axes, changed in place.
        title: Title above the left end.
        xlabel: Label of the horizontal axis, with its unit.
        ylabel: Label of the vertical axis, with its unit.

    Returns:
        The same axes.
    """
    axes.set_facecolor("white")
    axes.set_title(title, loc="left", pad=8, **text("title"))
    axes.set_xlabel(xlabel, **text())
    axes.set_ylabel(ylabel, **text())
    ticks = {"labelsize": _SIZES["tick"], "labelcolor": INK, "labelfontfamily": _FAMILY}
    axes.tick_params(which="both", color=MUTED, length=3, width=0.8, **ticks)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=MUTED, linewidth=0.8)
    axes.grid(True, color=RULE, linewidth=0.7, linestyle="-")
    axes.set_axisbelow(True)
    return axes
