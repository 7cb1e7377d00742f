"""Originals beside what the model makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tfvae.errors import UserError
from tfvae.plots.ask import check_length, given, levels_of
from tfvae.plots.gallery import image_gallery, vector_gallery
from tfvae.plots.kinds import as_array, as_pictures, as_vectors, check_levels, kind
from tfvae.plots.labels import labels_of, of_label, places
from tfvae.plots.points import pairs
from tfvae.plots.style import BASE, CONTRAST

__all__ = ["reconstructions"]

_TITLE = "Originals and their reconstructions"
_POINTS = 2000  # examples in a scatter, which holds more than a gallery


def reconstructions(
    vae: Any,
    x: Any,
    *,
    context: Any = None,
    names: Sequence[str] | None = None,
    columns: int = 10,
    rows: int = 4,
    levels: int | None = None,
    seed: int = 0,
) -> Figure:
    """Draws examples and, below each, the mean of p(x|z) at a draw from q(z|x).

    Args:
        vae: A `tfvae.VAE`.
        x: `[B, *event]`. The first `rows * columns` examples are drawn: images as they are,
            vectors as lines with the reconstruction over the original. Of data with one or two
            numbers an example, the first 2000 are drawn as points.
        context: What the model is conditioned on, `[B, ...]`, or None.
        names: Names of the labels 0, 1, ... that the model is conditioned on; None: the labels
            themselves. The figure says which label it shows.
        columns: Examples side by side.
        rows: At most so many rows of pairs.
        levels: Images have the values 0 to `levels - 1`; None: what the likelihood says, else
            they are in [0, 1].
        seed: Seed of the draws of z: the same figure for the same model.

    Returns:
        The figure.

    Example:
        >>> tfvae.plots.save(tfvae.plots.reconstructions(vae, x[:40]), "reconstructions.png")
    """
    x = as_array(x)
    check_length("context", context, len(x))
    levels = levels_of(vae, levels, context)
    check_levels(x, levels)
    if columns < 1 or rows < 1:
        raise UserError(f"columns={columns} and rows={rows}: give 1 or more of each")
    shown = slice(0, _POINTS if kind(x) == "points" else rows * columns)
    x = x[shown]
    made = np.asarray(vae.reconstruct(x, seed=seed, **given(context, shown)))
    words = labels_of(given(context, shown).get("context"), names)
    title = _TITLE + of_label(words)
    if kind(x) == "points":
        return pairs(as_vectors(x), as_vectors(made), title)
    columns = min(columns, len(x))
    # Rows have labels already, so that the examples get captions wherever their labels differ.
    captions = {"captions": words} if places(words, columns) else {}
    if kind(x) == "vectors":
        series = [
            ("original", BASE, as_vectors(x)),
            ("reconstruction", CONTRAST, as_vectors(made)),
        ]
        return vector_gallery(series, title, columns=columns, **captions)
    rows = math.ceil(len(x) / columns)
    both = np.stack([as_pictures(x, levels), as_pictures(made, levels)])
    both = np.pad(both, [(0, 0), (0, rows * columns - len(x)), *[(0, 0)] * 3], constant_values=1)
    # [2, rows, columns] to [rows, 2, columns]: a row of originals above its reconstructions.
    both = both.reshape([2, rows, columns, *both.shape[2:]]).swapaxes(0, 1)
    labels = {"row_labels": ["original", "reconstruction"] * rows, **captions}
    pictures = both.reshape([-1, *both.shape[3:]])
    return image_gallery(pictures, title, columns=columns, group=2, **labels)
