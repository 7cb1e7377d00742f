"""What each latent dimension does to the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tfvae.errors import UserError
from tfvae.plots.ask import check_length, given, levels_of
from tfvae.plots.gallery import image_gallery, vector_gallery
from tfvae.plots.kinds import as_array, as_pictures, as_vectors, kind
from tfvae.plots.labels import labels_of, of_label
from tfvae.plots.legend import legend
from tfvae.plots.style import BASE, RULE, class_colour, new_figure, style_axes
from tfvae.plots.walk import Walk, walk

__all__ = ["traversals"]

_TITLE = "Latent traversals, sorted by rate"
_ACROSS = "value of the dimension (prior standard deviations)"


def traversals(
    vae: Any,
    x: Any,
    *,
    dims: int = 10,
    steps: int = 11,
    span: tuple[float, float] = (-3.0, 3.0),
    context: Any = None,
    names: Sequence[str] | None = None,
    levels: int | None = None,
) -> Figure:
    """Draws a row for each latent dimension: the mean of p(x|z) as that dimension alone changes.

    The rows are sorted by the dimension's rate, KL(q(z_d|x) ‖ p(z_d)) averaged over `x`, which is
    written at the row (see `rate_per_dimension`). The other dimensions stay at the posterior mean
    of the first example.

    Args:
        vae: A `tfvae.VAE` with one latent of real numbers.
        x: `[B, *event]`.
        dims: At most so many dimensions, those of the highest rates.
        steps: Steps along each.
        span: First and last step, in prior standard deviations from the prior's mean.
        context: What the model is conditioned on, `[B, ...]`, or None; the first is decoded with.
        names: Names of the labels 0, 1, ... that the model is conditioned on; None: the labels
            themselves. The figure says which one it shows.
        levels: Images have the values 0 to `levels - 1`; None: what the likelihood says, else
            they are in [0, 1].

    Returns:
        The figure: rows of images or of vectors as lines; for data of one or two numbers a curve
        for each dimension.

    Example:
        >>> tfvae.plots.save(tfvae.plots.traversals(vae, x[:500]), "traversals.png")

    Reference:
        I. Higgins et al., "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational
        Framework", ICLR 2017, draws such rows.
    """
    x = as_array(x)
    check_length("context", context, len(x))
    if dims < 1 or steps < 2:
        raise UserError(f"dims={dims} and steps={steps}: give 1 or more, and 2 or more")
    found = walk(vae, x, dims=dims, steps=steps, span=span, context=context)
    shown = given(context, slice(0, 1)).get("context")
    title = _TITLE + of_label(labels_of(shown, names))
    if kind(x) == "points":
        return _curves(found, as_vectors(x), title)
    flat = found.x.reshape([-1, *found.x.shape[2:]])
    labels = {
        "columns": steps,
        "row_labels": [_name(*row) for row in zip(found.dims, found.rates, strict=True)],
        "column_labels": [_offset(offset) for offset in found.offsets],
        "xlabel": _ACROSS,
    }
    if kind(x) == "vectors":
        return vector_gallery([("mean", BASE, as_vectors(flat))], title, **labels)
    levels = levels_of(vae, levels, context)
    return image_gallery(as_pictures(flat, levels), title, **labels)


def _name(dim: int, rate: float) -> str:
    return f"z[{dim}]   {rate:.2f} nats"


def _offset(offset: float) -> str:
    """`−1.8`, with a minus sign in place of a hyphen, and never a negative zero."""
    return f"{round(float(offset), 1) + 0.0:g}".replace("-", "\N{MINUS SIGN}")


def _curves(found: Walk, x: np.ndarray, title: str) -> Figure:
    """Data of one or two numbers: the line that each dimension draws."""
    figure = new_figure(6.2, 4.5)
    axes = style_axes(figure.add_subplot(), title=title, xlabel="x[0]", ylabel="x[1]")
    if x.shape[1] == 1:
        style_axes(axes, title=title, xlabel=_ACROSS, ylabel="x[0]")
    else:
        axes.scatter(x[:, 0], x[:, 1], s=10, color=RULE, linewidths=0, label="data")
        axes.set_aspect("equal", adjustable="datalim")
    for row, (dim, rate) in enumerate(zip(found.dims, found.rates, strict=True)):
        line = as_vectors(found.x[row])
        line = np.stack([found.offsets, line[:, 0]]) if x.shape[1] == 1 else line.T
        style = {"color": class_colour(row), "linewidth": 1.2, "marker": "o", "markersize": 3.5}
        axes.plot(*line, label=_name(dim, rate), **style)
    legend(axes)
    return figure
