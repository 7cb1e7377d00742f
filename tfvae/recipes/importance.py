"""Importance-weighted autoencoders: tighter bounds of log p(x), and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tfvae.objectives import IWAE, MIWAE
from tfvae.options.bounds import Count
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.vae import VAE

__all__ = ["dreg", "iwae", "miwae"]


@extends(vae, fixes=("objective", "beta", "free_bits", "capacity", "kl"))
def iwae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    samples: Count = 5,
    gradient: Literal["plain", "stl", "dreg"] = "plain",
    **options,
) -> VAE:
    """The importance-weighted autoencoder: the bound of K posterior samples.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        samples: K.
        gradient: `"plain"`, `"stl"` or `"dreg"`, see `tfvae.objectives.IWAE`.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", 2016, Eq. 8.
    """
    return vae(event_shape, latent_dim, objective=IWAE(samples, gradient), **options)


@extends(vae, fixes=("objective", "beta", "free_bits", "capacity", "kl"))
def miwae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    bounds: Count = 8,
    samples: Count = 8,
    gradient: Literal["plain", "stl", "dreg"] = "plain",
    **options,
) -> VAE:
    """The multiply importance-weighted autoencoder: the mean of M bounds of K samples each.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        bounds: M.
        samples: K.
        gradient: `"plain"`, `"stl"` or `"dreg"`, see `tfvae.objectives.IWAE`.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Rainforth et al., "Tighter Variational Bounds are Not Necessarily Better", 2018, Eq. 8.
    """
    return vae(event_shape, latent_dim, objective=MIWAE(bounds, samples, gradient), **options)


@extends(vae, fixes=("objective", "beta", "free_bits", "capacity", "kl"))
def dreg(
    event_shape: Sequence[int], latent_dim: Count = 16, *, samples: Count = 5, **options
) -> VAE:
    """The importance-weighted autoencoder with doubly reparameterized gradients.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        samples: K.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Tucker, Lawson, Gu, Maddison, "Doubly Reparameterized Gradient Estimators for Monte Carlo
        Objectives", 2019, Eq. 8.
    """
    return vae(event_shape, latent_dim, objective=IWAE(samples, "dreg"), **options)
