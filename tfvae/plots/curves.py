"""How training went."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfvae.errors import UserError
from tfvae.plots.legend import legend
from tfvae.plots.metrics import read_metrics
from tfvae.plots.style import BASE, CONTRAST, new_figure, style_axes, text

__all__ = ["training_curves"]

_PANELS = {
    "elbo": "ELBO (nats)",
    "energy": "energy",
    "distortion": "distortion (nats)",
    "rate": "rate (nats)",
}


def training_curves(
    metrics: str | os.PathLike[str] | Mapping[str, Sequence[float]] | Any,
) -> Figure:
    """Draws ELBO, distortion −E log p(x|z) and rate (KL) over the epochs, in nats per example.

    Args:
        metrics: Path of a run's `metrics.csv`, or what `fit` returned, or its `history` dict:
            columns `elbo`, `energy`, `distortion`, `rate` and the same with `val_` in front; those
            that are not there are left out.

    Returns:
        The figure, a panel a quantity over one axis of epochs.

    Example:
        >>> history = vae.fit(train, validation_data=test, epochs=20)
        >>> figure = tfvae.plots.training_curves(history)
    """
    table = read_metrics(metrics)
    there = [name for name in _PANELS if name in table or f"val_{name}" in table]
    if not there:
        raise UserError(
            f"the metrics are {', '.join(table)}: none of {', '.join(_PANELS)} is among them"
        )
    figure = new_figure(6.5, 0.6 + 1.9 * len(there))
    panels = figure.subplots(len(there), 1, sharex=True, squeeze=False)[:, 0]
    epochs = table["epoch"]
    for axes, name in zip(panels, there, strict=True):
        style_axes(axes, ylabel=_PANELS[name])
        for column, label, colour in (
            (name, "training", BASE),
            (f"val_{name}", "validation", CONTRAST),
        ):
            values = table.get(column)
            if values is None:
                continue
            seen = np.isfinite(values)  # a line across epochs without validation, no gaps
            dots = {"marker": "o", "markersize": 3.5 if seen.sum() <= 30 else 0.0}
            axes.plot(epochs[seen], values[seen], color=colour, linewidth=1.4, label=label, **dots)
    for axes in panels[:-1]:
        axes.tick_params(labelbottom=False)
    legend(panels[0])
    figure.align_ylabels(panels)
    style_title = {"loc": "left", "pad": 8, **text("title")}
    panels[0].set_title("Training curves, per example", **style_title)
    panels[-1].set_xlabel("epoch", **text())
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if len(epochs) == 1:
        panels[-1].set_xlim(epochs[0] - 1, epochs[0] + 1)
        panels[-1].set_xticks(epochs[:1], [f"{epochs[0]:g}"])
    return figure
