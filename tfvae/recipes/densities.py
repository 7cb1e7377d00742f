"""Another density in the place of the usual one: on the sphere, or of x."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Literal

from tfvae import layers
from tfvae.errors import unknown_name
from tfvae.objectives import Objective
from tfvae.options.bounds import Count, Number, Positive, Weight
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.recipes.warming import warmed
from tfvae.schedules import Scheduled
from tfvae.vae import VAE

__all__ = ["hyperspherical_vae", "logcosh_vae", "sigma_vae"]


@extends(vae, fixes=("posterior", "prior"))
def hyperspherical_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    family: Literal["von_mises_fisher", "power_spherical"] = "von_mises_fisher",
    warm_up: Number = 1000,
    objective: str | Objective | Callable | None = None,
    beta: Weight | Scheduled | None = None,
    **options,
) -> VAE:
    """The VAE on the sphere: von Mises-Fisher posteriors and a uniform prior.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Dimensions of the space around the sphere, 2 or more.
        family: The posterior, `"von_mises_fisher"` or `"power_spherical"`.
        warm_up: Steps over which beta rises from zero, where it is a number. Without it the
            concentrations fall to 0 before the decoder has learned anything of z.
        objective: What is minimised, as in `vae`.
        beta: Weight of the rate, as in `vae`.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    Raises:
        UnknownNameError: If the family is another one.

    References:
        Davidson et al., "Hyperspherical Variational Auto-Encoders", 2018.
        De Cao, Aziz, "The Power Spherical distribution", 2020 (its posterior).
    """
    families = ("von_mises_fisher", "power_spherical")
    if family not in families:
        raise unknown_name("family", family, families)
    return vae(
        event_shape, latent_dim, posterior=family, prior="spherical_uniform", objective=objective,
        beta=warmed(beta, objective, warm_up), **options,
    )  # fmt: skip


@extends(vae, fixes={"likelihood": "optimal_scale_normal"})
def sigma_vae(event_shape: Sequence[int], latent_dim: Count = 16, **options) -> VAE:
    """The sigma-VAE: a normal likelihood whose one variance is the optimal one, the mean error.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Rybkin, Daniilidis, Levine, "Simple and Effective VAE Training with Calibrated Decoders",
        2021, Eq. 6-7.
    """
    return vae(event_shape, latent_dim, likelihood="optimal_scale_normal", **options)


@extends(vae, fixes={"likelihood": "log_cosh"})
def logcosh_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    scale: Literal["learned", "shared"] | Positive = 0.1,
    **options,
) -> VAE:
    """The VAE with the log-cosh loss, as the density that belongs to it.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        scale: A number, 1/a in the paper's log cosh(a t); or `"shared"`, one that is trained, or
            `"learned"`, of each element.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Chen, Chen, Zhang, "Log Hyperbolic Cosine Loss Improves Variational Auto-Encoder", 2019.
    """
    likelihood = functools.partial(layers.IndependentLogCosh, scale=scale)
    return vae(event_shape, latent_dim, likelihood=likelihood, **options)
