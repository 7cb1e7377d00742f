"""An empty gallery: cells at whole pixels, with labels around them."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from tfvae.plots.grid import Grid
from tfvae.plots.style import DPI, MUTED, text

__all__ = ["canvas", "caption_gap", "note"]

_INCHES = 0.6  # a cell with more pixels than fit here makes a denser figure, not a larger one


def canvas(
    grid: Grid,
    title: str,
    *,
    key: Sequence[tuple[str, str]] = (),
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    captions: Sequence[str] = (),
    xlabel: str = "",
) -> tuple[Figure, Axes]:
    """Makes a figure with invisible axes whose data coordinates are the grid's pixels.

    One unit is one pixel of the figure, so an image drawn at whole numbers stays crisp; margins
    are measured from the labels, so that none is cut off.

    Args:
        grid: The cells.
        title: Title above the left end.
        key: Words under the title and their colours, a legend in one line.
        row_labels: A label a row, at its left.
        column_labels: A label a column, below it.
        captions: A label a cell, or a group of rows of one column, below it, cut to its width;
            the grid has to leave `caption_gap` there.
        xlabel: Label under those.

    Returns:
        The figure, and its axes: x to the right from 0, y downwards from 0.
    """
    height, width = grid.shape
    dpi = _density(grid.height, grid.width)
    point = dpi / 72
    figure = Figure(((width + 0.01) / dpi, (height + 0.01) / dpi), dpi=dpi, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    # Text written so far: with axes as large as the figure, pixels of both are the same.
    renderer = FigureCanvasAgg(figure).get_renderer()
    for row, label in enumerate(row_labels):
        middle = grid.top(row) + grid.height / 2
        axes.text(-6 * point, middle, label, ha="right", va="center", **text("tick"))
    for column, label in enumerate(column_labels):
        middle = grid.left(column) + grid.width / 2
        axes.text(middle, height + 4 * point, label, ha="center", va="top", **text("tick"))
    shortened: dict[str, str] = {}
    for index, label in enumerate(captions):
        row, column = divmod(index, grid.columns)
        below = grid.top((row + 1) * grid.group - 1) + grid.height + 1.5 * point
        middle = grid.left(column) + grid.width / 2
        style = {"ha": "center", "va": "top", **text("tick", fontsize=7.5)}
        entry = axes.text(middle, below, shortened.get(label, label), **style)
        while label not in shortened:
            fits = entry.get_window_extent(renderer).width <= grid.width
            if fits or len(entry.get_text()) <= 2:
                shortened[label] = entry.get_text()
            else:
                entry.set_text(entry.get_text().rstrip("…")[:-1] + "…")
    if xlabel:
        below = height + (18 if column_labels or captions else 5) * point
        axes.text(width / 2, below, xlabel, ha="center", va="top", **text())
    right = 0.0
    for word, colour in key:
        entry = axes.text(right, -6 * point, word, va="baseline", **text(color=colour))
        right += entry.get_window_extent(renderer).width + 12 * point
    axes.text(0, (-22 if key else -8) * point, title, va="baseline", **text("title"))
    extents = [label.get_window_extent(renderer) for label in axes.texts]
    box = Bbox.union([*extents, Bbox([[0, 0], [width, height]])])
    pad = round(8 * point)
    left, bottom = round(-box.x0) + pad, round(-box.y0) + pad
    total = (left + round(box.x1) + pad, bottom + round(box.y1) + pad)
    figure.set_size_inches((total[0] + 0.01) / dpi, (total[1] + 0.01) / dpi)
    axes.set_position((left / total[0], bottom / total[1], width / total[0], height / total[1]))
    return figure, axes


def _density(height: int, width: int) -> float:
    """Dots per inch of a figure with cells of so many pixels."""
    return max(DPI, min(height, width) / _INCHES)


def caption_gap(height: int, width: int) -> int:
    """Gives the pixels that a caption takes below a cell of this size."""
    return round(12 * _density(height, width) / 72)


def note(words: str) -> tuple[str, str]:
    """An entry of a key that is an explanation."""
    return words, MUTED
