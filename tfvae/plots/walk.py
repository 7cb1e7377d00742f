"""The walk along each latent dimension that traversals show."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae.distributions.moments import mean_of, stddev_of
from tfvae.errors import UserError
from tfvae.plots.ask import given, posteriors
from tfvae.plots.rates import rate_per_dimension

__all__ = ["Walk", "mean_rates", "walk"]


@dataclasses.dataclass(frozen=True)
class Walk:
    """A row a dimension, the one with the highest rate first.

    Attributes:
        dims: Indices of the dimensions, `[R]`.
        rates: Their mean KL to the prior, `[R]`, nats.
        offsets: The steps, `[S]`, prior standard deviations from the prior's mean.
        x: Mean of p(x|z) at each step, `[R, S, *event]`.
    """

    dims: np.ndarray
    rates: np.ndarray
    offsets: np.ndarray
    x: np.ndarray


def mean_rates(vae: Any, x: np.ndarray, context: Any = None) -> tuple[np.ndarray, tf.Tensor]:
    """Averages the rate of each latent dimension over the data.

    Args:
        vae: A `tfvae.VAE`.
        x: `[B, *event]`.
        context: What the encoder is conditioned on, `[B, ...]`, or None.

    Returns:
        `[D]`, nats, and the first example's posterior mean, `[*latent]`.
    """
    rates, first = [], None
    for posterior, conditions in posteriors(vae, x, context):
        first = mean_of(posterior)[0] if first is None else first
        rates.append(np.asarray(rate_per_dimension(posterior, vae.prior(**conditions))))
    return np.concatenate(rates).mean(0), first


def walk(
    vae: Any,
    x: np.ndarray,
    *,
    dims: int,
    steps: int,
    span: tuple[float, float],
    context: Any = None,
) -> Walk:
    """Decodes a line through the first example's posterior mean along each dimension.

    Args:
        vae: A `tfvae.VAE`.
        x: `[B, *event]`; all of it gives the rates, the first example the other dimensions.
        dims: At most so many dimensions, those of the highest rates.
        steps: Steps along each.
        span: First and last step, in prior standard deviations from the prior's mean.
        context: What the model is conditioned on, `[B, ...]`, or None.

    Returns:
        The walk.
    """
    rates, start = mean_rates(vae, x, context)
    if not start.dtype.is_floating or len(rates) != tf.size(start):
        raise UserError("the latent is discrete: a traversal needs one of real numbers")
    order = np.argsort(-rates, kind="stable")[:dims]
    prior = vae.prior(**given(context, slice(0, 1)))
    centre, scale = (np.ravel(np.asarray(f(prior), np.float64)) for f in (mean_of, stddev_of))
    offsets = np.linspace(*span, steps)
    z = np.tile(np.ravel(start), [len(order), steps, 1])
    for row, dim in enumerate(order):
        z[row, :, dim] = centre[dim] + offsets * scale[dim]
    z = tf.cast(z.reshape([-1, *start.shape]), start.dtype)
    if context is not None:  # the first example's, for every step
        context = tf.nest.map_structure(lambda part: np.repeat(part[:1], len(z), 0), context)
    made = np.asarray(mean_of(vae.decode(z, **given(context, slice(None)))))
    return Walk(order, rates[order], offsets, made.reshape([len(order), steps, *made.shape[1:]]))
