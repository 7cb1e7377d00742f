"""Where examples lie in the latent space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tfvae.plots.ask import check_length, posterior_means
from tfvae.plots.classes import Classes, classes
from tfvae.plots.kinds import as_array
from tfvae.plots.legend import legend
from tfvae.plots.principal import principal_plane
from tfvae.plots.style import BASE, new_figure, style_axes, text

__all__ = ["latent_plane"]


def latent_plane(
    vae: Any,
    x: Any,
    labels: Any = None,
    *,
    names: Sequence[str] | None = None,
    context: Any = None,
) -> Figure:
    """Draws the means of q(z|x) in the plane, coloured by label.

    A latent of more than two dimensions is projected on its first two principal components, with
    the share of the variance of the means that each shows; a latent of one dimension is drawn as
    histograms, a row for each class.

    Args:
        vae: A `tfvae.VAE`.
        x: `[B, *event]`.
        labels: `[B]`: whole numbers or strings are classes; other numbers, or more than 20
            classes of numbers, are drawn on a colour scale. None: one colour.
        names: Names of the classes, in the order of the sorted labels (of the numbers 0, 1, ...
            where the labels are indices).
        context: What the encoder is conditioned on, `[B, ...]`, or None.

    Returns:
        The figure.

    Example:
        >>> figure = tfvae.plots.latent_plane(vae, x, y, names=["zero", "one", "two"])

    Reference:
        K. Pearson, "On lines and planes of closest fit to systems of points in space", 1901.
    """
    x = as_array(x)
    check_length("labels", labels, len(x))
    groups = classes(labels, names, len(x))
    means = posterior_means(vae, x, context)
    figure = new_figure(6.2, 5)
    axes = style_axes(figure.add_subplot(), title="Posterior means")
    if means.shape[1] == 1:
        return _histogram(figure, means[:, 0], groups)
    axis_labels = ["z[0]", "z[1]"]
    if means.shape[1] > 2:
        means, shares = principal_plane(means)
        axis_labels = [
            f"principal component {index + 1} ({share:.1%} of the variance)"
            for index, share in enumerate(shares)
        ]
    axes.set_xlabel(axis_labels[0], **text())
    axes.set_ylabel(axis_labels[1], **text())
    # Fewer points are drawn larger; they are mixed, so that no class covers the others.
    order = np.random.default_rng(0).permutation(len(means))
    size = float(np.clip(12000 / len(means), 4, 24))
    colours = BASE if groups is None else groups.colours[order]
    scale = {"cmap": "viridis"} if groups is not None and not groups.entries else {}
    style = {"s": size, "c": colours, "alpha": 0.8, "linewidths": 0, "zorder": 3}
    dots = axes.scatter(*means[order].T, **style, **scale)
    axes.set_aspect("equal", adjustable="datalim")
    if groups is not None and groups.entries:
        for name, colour, _ in groups.entries:
            axes.scatter([], [], s=24, color=colour, linewidths=0, label=name)
        legend(axes)
    elif groups is not None:
        bar = figure.colorbar(dots, ax=axes, shrink=0.8)
        bar.solids.set_alpha(1)
        bar.outline.set_visible(False)
        bar.set_label("label", **text())
        bar.ax.tick_params(labelsize=text("tick")["fontsize"])
    return figure


def _histogram(figure: Figure, means: np.ndarray, groups: Classes | None) -> Figure:
    """A latent of one dimension: counts of the means, in a row of its own for each class."""
    axes = figure.axes[0]
    axes.set_xlabel("z[0]", **text())
    edges = np.histogram_bin_edges(means, bins=min(60, max(10, len(means) // 20)))
    if groups is None or not groups.entries:
        axes.hist(means, edges, color=BASE)
        axes.set_ylabel("examples", **text())
        return figure
    counts = [np.histogram(means[members], edges)[0] for _, _, members in groups.entries]
    highest = max(map(np.max, counts))
    rows = range(len(counts), 0, -1)  # the first class on top
    for row, count, (_, colour, _) in zip(rows, counts, groups.entries, strict=True):
        axes.stairs(row + 0.9 * count / highest, edges, baseline=row, fill=True, color=colour)
    axes.set_yticks(list(rows), [name for name, _, _ in groups.entries])
    axes.set_ylabel(f"examples of each class (highest bar: {highest})", **text())
    return figure
