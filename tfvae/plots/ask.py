"""Questions that the figures ask a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.moments import mean_of
from tfvae.distributions.supports import support_of
from tfvae.errors import UserError

__all__ = [
    "check_length",
    "given",
    "levels_of",
    "posterior_means",
    "posteriors",
]

_CHUNK = 500  # examples at a time: bounds the memory of a convolutional encoder


def given(context: Any, index: slice) -> dict[str, Any]:
    """Gives the keyword arguments for a part of the context, none where there is no context."""
    if context is None:
        return {}
    return {"context": tf.nest.map_structure(lambda part: part[index], context)}


def check_length(name: str, values: Any, count: int, what: str = "x has") -> None:
    """Refuses labels or a context of another length than the data."""
    for part in tf.nest.flatten(values) if name == "context" else [values]:
        if part is not None and len(part) != count:
            raise UserError(f"{name} has {len(part)} entries and {what} {count}: give one each")


def levels_of(vae: Any, levels: int | None, context: Any = None) -> int | None:
    """Gives the number of levels of the images: the caller's, else what the likelihood says.

    Args:
        vae: A `tfvae.VAE`.
        levels: What the caller gave.
        context: What the decoder is conditioned on, `[B, ...]`, or None.

    Returns:
        The number of levels, or None for values in [0, 1].
    """
    if levels is not None:
        if levels < 2:
            raise UserError(f"levels={levels}: give the number of levels, 2 or more")
        return levels
    conditions = given(context, slice(0, 1))
    prior = vae.prior(**conditions)
    z = tf.reshape(prior.sample(seed=(0, 2)), [1, *prior.event_shape])
    return support_of(vae.decode(z, **conditions)).levels


def posteriors(
    vae: Any, x: np.ndarray, context: Any = None
) -> Iterator[tuple[tfp.distributions.Distribution, dict[str, Any]]]:
    """Gives q(z|x) of chunks of the data, one after the other.

    Args:
        vae: A `tfvae.VAE`.
        x: `[B, ...]`.
        context: What the encoder is conditioned on, `[B, ...]`, or None.

    Yields:
        Distributions with batch shapes that add up to `[B]`, each with the keyword arguments that
        hold the chunk's context.
    """
    check_length("context", context, len(x))
    for start in range(0, len(x), _CHUNK):
        part = slice(start, start + _CHUNK)
        conditions = given(context, part)
        posterior = vae.encode(x[part], **conditions)
        if posterior.dtype.is_integer:
            raise UserError("the latent is discrete: this figure needs one of real numbers")
        yield posterior, conditions


def posterior_means(vae: Any, x: np.ndarray, context: Any = None) -> np.ndarray:
    """Gives the mean of q(z|x) of each example, `[B, D]`; a latent with axes is flattened."""
    means = [np.asarray(mean_of(q), np.float32) for q, _ in posteriors(vae, x, context)]
    return np.concatenate(means).reshape([len(x), -1])
