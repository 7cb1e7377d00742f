"""Many images as one."""

from __future__ import annotations

import math

import numpy as np

from tfvae.plots.grid import Grid

__all__ = ["tile"]


def tile(
    images: np.ndarray, *, columns: int, gap: int = 1, group: int = 1, group_gap: int | None = None
) -> np.ndarray:
    """Puts images side by side, row by row, with separators between them.

    One array needs one `imshow`; axes of its own for each image would need hundreds.

    Args:
        images: `[N, height, width, channels]`, values in [0, 1].
        columns: Images in a row.
        gap: Width of a separator, pixels.
        group: Rows that belong together, such as 2 for originals above reconstructions.
        group_gap: Height of the separator between groups of rows, pixels; None: `gap`.

    Returns:
        `[H, W, channels]`, float32. Separators, and cells that no image fills, are white.

    Example:
        >>> tile(np.zeros([5, 8, 8, 1]), columns=3, gap=2).shape
        (18, 28, 1)
    """
    count, height, width, channels = images.shape
    grid = Grid(math.ceil(count / columns), columns, height, width, gap, group, group_gap)
    canvas = np.ones([*grid.shape, channels], np.float32)
    for index, image in enumerate(images):
        top, left = grid.top(index // columns), grid.left(index % columns)
        canvas[top : top + height, left : left + width] = image
    return canvas
