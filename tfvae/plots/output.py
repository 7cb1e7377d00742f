"""A figure as a file and as pixels."""

from __future__ import annotations

import os
import pathlib

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tfvae.errors import UserError
from tfvae.files import written_whole

__all__ = ["save", "to_image"]


def save(figure: Figure, path: str | os.PathLike[str]) -> pathlib.Path:
    """Writes a figure as a PNG file, whole or not at all; missing folders are made.

    A link that has the name is replaced, and the file that it leads to stays as it is.

    Args:
        figure: Any matplotlib figure.
        path: Where to; the ending must be `.png`.

    Returns:
        The path.

    Example:
        >>> tfvae.plots.save(tfvae.plots.samples(vae), "figures/samples.png")
    """
    path = pathlib.Path(path)
    if path.suffix.lower() != ".png":
        raise UserError(
            f"figures are written as PNG, but the path is {str(path)!r}: end it in .png"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    # The canvas itself writes: `Figure.savefig` would read the dpi and more from global settings.
    with written_whole(path) as part:
        FigureCanvasAgg(figure).print_png(part)
    return path


def to_image(figure: Figure) -> np.ndarray:
    """Draws a figure into an array, for TensorBoard or a video.

    Args:
        figure: Any matplotlib figure.

    Returns:
        RGBA pixels, uint8 `[height, width, 4]`.

    Example:
        >>> tf.summary.image("samples", tfvae.plots.to_image(figure)[None], step=epoch)
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())  # a copy: the buffer belongs to the canvas
