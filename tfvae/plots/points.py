"""Data of one or two numbers an example."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from tfvae.plots.classes import Classes
from tfvae.plots.legend import legend
from tfvae.plots.style import BASE, CONTRAST, MUTED, new_figure, style_axes, text

__all__ = ["pairs", "points"]


def points(x: np.ndarray, title: str, groups: Classes | None = None) -> Figure:
    """Draws points: a scatter of two numbers, a histogram of one.

    Args:
        x: `[N, 1]` or `[N, 2]`.
        title: Title of the figure.
        groups: Classes of the points, which get a colour each; None: one colour.

    Returns:
        The figure.
    """
    everything = [("", BASE, np.ones(len(x), bool))]
    entries = everything if groups is None else groups.entries
    words, colours, masks = zip(*entries, strict=True)
    figure = new_figure(5, 4.5)
    axes = style_axes(figure.add_subplot(), title=title, xlabel="x[0]")
    if x.shape[1] == 1:
        bins = np.histogram_bin_edges(x[:, 0], "auto")
        parts = [x[mask, 0] for mask in masks]
        axes.hist(parts, bins=bins, stacked=True, color=colours, label=words)
        axes.set_ylabel("examples", **text())
    else:
        for word, colour, mask in entries:
            style = {"s": 12, "alpha": 0.7, "linewidths": 0}
            axes.scatter(*x[mask].T, color=colour, label=word, **style)
        axes.set_ylabel("x[1]", **text())
        axes.set_aspect("equal", adjustable="datalim")
    if groups is not None:
        legend(axes)
    return figure


def pairs(x: np.ndarray, other: np.ndarray, title: str) -> Figure:
    """Draws points and what became of them.

    Args:
        x: Originals, `[N, 1]` or `[N, 2]`.
        other: Reconstructions, same shape.
        title: Title of the figure.

    Returns:
        The figure: points of two numbers joined to their reconstructions, or reconstruction
        over original for one number.
    """
    figure = new_figure(6.2, 4.5)
    axes = style_axes(figure.add_subplot(), title=title, xlabel="x[0]", ylabel="x[1]")
    dots = {"s": 9, "linewidths": 0, "zorder": 3}
    if x.shape[1] == 1:
        axes.set_xlabel("original", **text())
        axes.set_ylabel("reconstruction", **text())
        ends = (x.min(), x.max())
        axes.plot(ends, ends, color=MUTED, linewidth=0.8, label="equal")
        axes.scatter(x[:, 0], other[:, 0], color=BASE, label="example", **dots)
    else:
        links = LineCollection(np.stack([x, other], 1), colors=MUTED, linewidths=0.6, alpha=0.6)
        axes.add_collection(links)
        axes.scatter(x[:, 0], x[:, 1], color=BASE, label="original", **dots)
        axes.scatter(other[:, 0], other[:, 1], color=CONTRAST, label="reconstruction", **dots)
        axes.set_aspect("equal", adjustable="datalim")
    legend(axes)
    return figure
