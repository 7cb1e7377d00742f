"""What the model makes up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from tfvae.errors import UserError
from tfvae.plots.ask import check_length, levels_of
from tfvae.plots.classes import classes
from tfvae.plots.gallery import image_gallery, vector_gallery
from tfvae.plots.kinds import as_array, as_pictures, as_vectors, kind
from tfvae.plots.labels import labels_of, of_label, places
from tfvae.plots.points import points
from tfvae.plots.style import BASE

__all__ = ["samples"]


def samples(
    vae: Any,
    n: int = 64,
    *,
    seed: int = 0,
    context: Any = None,
    names: Sequence[str] | None = None,
    columns: int | None = None,
    levels: int | None = None,
    mean: bool = True,
) -> Figure:
    """Draws the mean of p(x|z), or a draw of it, at draws of z from the prior.

    Args:
        vae: A `tfvae.VAE`.
        n: Number of samples.
        seed: Seed of the draws: the same figure for the same model.
        context: What the model is conditioned on, `[n, ...]`, or None.
        names: Names of the labels 0, 1, ... that the model is conditioned on; None: the labels
            themselves. The figure says which label it shows.
        columns: Samples side by side; None: as many as make the grid square.
        levels: Images have the values 0 to `levels - 1`; None: what the likelihood says, else
            they are in [0, 1].
        mean: Whether the mean of p(x|z) is shown, or a draw of it.

    Returns:
        The figure: images in a grid, vectors as lines, data of one or two numbers as a
        histogram or a scatter.

    Example:
        >>> tfvae.plots.save(tfvae.plots.samples(vae, 100), "samples.png")
    """
    if n < 1 or (columns is not None and columns < 1):
        raise UserError(f"n={n} and columns={columns}: give 1 or more of each")
    check_length("context", context, n, what="n is")
    conditions = {} if context is None else {"context": context}
    x = as_array(vae.sample(n, seed=seed, mean=mean, **conditions), "vae.sample")
    columns = min(n, columns or math.ceil(math.sqrt(n)))
    words = labels_of(context, names)
    density = "p(x|z)" if words is None else "p(x|z, label)"
    title = f"Samples: {'mean' if mean else 'draws'} of {density} at z from the prior"
    title += of_label(words)
    if kind(x) == "points":
        return points(as_vectors(x), title, None if of_label(words) else classes(words, None, n))
    labels = {"columns": columns, **places(words, columns)}
    if kind(x) == "vectors":
        return vector_gallery([("sample", BASE, as_vectors(x))], title, **labels)
    levels = levels_of(vae, levels, context)
    return image_gallery(as_pictures(x, levels), title, **labels)
