"""Which latent dimensions are in use."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tfvae.plots.ask import check_length
from tfvae.plots.kinds import as_array
from tfvae.plots.style import BASE, new_figure, style_axes, text
from tfvae.plots.walk import mean_rates

__all__ = ["draw_rates", "rate_bars"]

_NAMED = 30  # with more bars there is no room for the dimensions' indices


def rate_bars(vae: Any, x: Any, *, context: Any = None) -> Figure:
    """Draws the rate of each latent dimension as a bar, the highest first.

    Args:
        vae: A `tfvae.VAE`.
        x: `[B, *event]`; the rates are averaged over it.
        context: What the encoder is conditioned on, `[B, ...]`, or None.

    Returns:
        The figure.

    Example:
        >>> tfvae.plots.save(tfvae.plots.rate_bars(vae, x), "rates.png")
    """
    x = as_array(x)
    check_length("context", context, len(x))
    return draw_rates(mean_rates(vae, x, context)[0])


def draw_rates(rates: np.ndarray) -> Figure:
    """Draws rates as bars.

    Args:
        rates: `[D]`, nats.

    Returns:
        The figure.
    """
    order = np.argsort(-rates, kind="stable")
    places = np.arange(len(order))
    figure = new_figure(6.5, 3.2)
    title = f"Rate of each latent dimension: {rates.sum():.4g} nats in all"
    axes = style_axes(figure.add_subplot(), title=title, ylabel="KL to the prior (nats)")
    axes.grid(False, axis="x")
    axes.bar(places, rates[order], width=0.8, color=BASE)
    axes.set_xlim(-0.8, max(len(order), 8) - 0.2)
    if len(order) <= _NAMED:
        axes.set_xticks(places, [str(dim) for dim in order])
        axes.set_xlabel("latent dimension", **text())
    else:
        axes.set_xlabel("latent dimensions, sorted", **text())
    return figure
