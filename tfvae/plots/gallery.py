"""Many images, or many vectors, in one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from tfvae.plots.canvas import canvas, caption_gap, note
from tfvae.plots.grid import Grid
from tfvae.plots.style import RULE
from tfvae.plots.tiles import tile

__all__ = ["image_gallery", "vector_gallery"]

_CELL = 84  # pixels: small images are enlarged to about this height, by a whole factor
_GAP, _GROUP_GAP = 4, 16


def image_gallery(
    pictures: np.ndarray, title: str, *, columns: int, group: int = 1, **labels: Any
) -> Figure:
    """Draws images as tiles, each pixel as a square of whole pixels.

    Args:
        pictures: `[N, h, w, 3]` in [0, 1].
        title: Title of the figure.
        columns: Images in a row.
        group: Rows that belong together, set apart from the next.
        **labels: As for `canvas`.

    Returns:
        The figure.
    """
    factor = max(1, round(_CELL / max(pictures.shape[1:3])))
    large = pictures.repeat(factor, 1).repeat(factor, 2)
    apart = _GROUP_GAP if group > 1 else _GAP
    if labels.get("captions"):
        apart += caption_gap(*large.shape[1:3])
    gaps = {"gap": _GAP, "group": group, "group_gap": apart}
    rows = math.ceil(len(large) / columns)
    figure, axes = canvas(Grid(rows, columns, *large.shape[1:3], **gaps), title, **labels)
    whole = tile(large, columns=columns, **gaps)
    height, width = whole.shape[:2]
    area = (0, width, height, 0)
    axes.imshow(whole, extent=area, origin="upper", aspect="auto", interpolation="nearest")
    return figure


def vector_gallery(
    series: Sequence[tuple[str, str, np.ndarray]], title: str, *, columns: int, **labels: Any
) -> Figure:
    """Draws vectors as lines, value over index, a cell an example, all to one scale.

    Args:
        series: Name, colour and values `[N, d]` of what is drawn in the cells, over each other.
        title: Title of the figure.
        columns: Cells in a row.
        **labels: As for `canvas`.

    Returns:
        The figure.
    """
    count, size = series[0][2].shape
    height, width = _CELL, _CELL * 3 // 2
    apart = 8 + (caption_gap(height, width) if labels.get("captions") else 0)
    grid = Grid(math.ceil(count / columns), columns, height, width, gap=8, group_gap=apart)
    values = np.concatenate([values for _, _, values in series])
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    key = [(name, colour) for name, colour, _ in series] if len(series) > 1 else []
    span = f"from {low:.3g} to {high:.3g}".replace("-", "\N{MINUS SIGN}")
    key += [note(f"{size} values a cell, {span}")]
    figure, axes = canvas(grid, title, key=key, **labels)
    cells = [divmod(index, columns) for index in range(count)]
    corners = np.array([[grid.left(column), grid.top(row)] for row, column in cells], float)
    box = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) * [grid.width, grid.height]
    frame = {"colors": RULE, "linewidths": 0.8, "clip_on": False}
    axes.add_collection(LineCollection(corners[:, None] + box, **frame), autolim=False)
    inner = grid.height - 12  # lines keep 6 pixels from the frame
    across = np.linspace(6, grid.width - 6, size)
    for index, (name, colour, lines) in enumerate(series):
        down = 6 + inner * (1 - (lines - low) / max(high - low, np.finfo(np.float32).tiny))
        paths = corners[:, None] + np.stack([np.broadcast_to(across, down.shape), down], -1)
        # The line below is thicker and pale, so that it shows where the two agree as well.
        above = index == len(series) - 1
        style = {"linewidths": 1.1 if above else 2.6, "alpha": 1.0 if above else 0.5}
        style |= {"colors": colour, "label": name}
        axes.add_collection(LineCollection(paths, **style), autolim=False)
    return figure
