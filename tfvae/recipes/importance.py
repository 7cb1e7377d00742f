"""Importance-weighted autoencoders: tighter bounds of log p(x), and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tfvae.objectives import CIWAE, IWAE, MIWAE, PIWAE, Renyi
from tfvae.options.bounds import Count, Share
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.schedules import Scheduled
from tfvae.vae import VAE

__all__ = ["ciwae", "dreg", "iwae", "miwae", "piwae", "renyi_vae"]


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


@extends(vae, fixes=("objective", "free_bits", "capacity", "kl"))
def ciwae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    beta: Share | Scheduled = 0.5,
    samples: Count = 8,
    gradient: Literal["plain", "stl", "dreg"] = "plain",
    **options,
) -> VAE:
    """The combination IWAE: beta times the ELBO, the rest the bound of K samples.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        beta: Share of the ELBO, from 0 to 1.
        samples: K.
        gradient: `"plain"`, `"stl"` or `"dreg"`, see `tfvae.objectives.CIWAE`.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Rainforth et al., "Tighter Variational Bounds are Not Necessarily Better", 2018, Section 6.
    """
    objective = CIWAE(beta, samples=samples, gradient=gradient)
    return vae(event_shape, latent_dim, objective=objective, **options)


@extends(vae, fixes=("objective", "beta", "free_bits", "capacity", "kl"))
def piwae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    bounds: Count = 8,
    samples: Count = 8,
    gradient: Literal["plain", "stl", "dreg"] = "plain",
    **options,
) -> VAE:
    """The partially importance-weighted autoencoder: IWAE for the decoder, MIWAE for the encoder.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        bounds: M, bounds of the encoder; the decoder's is one of M K samples.
        samples: K, samples in each of them.
        gradient: `"plain"`, `"stl"` or `"dreg"`, see `tfvae.objectives.PIWAE`.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Rainforth et al., "Tighter Variational Bounds are Not Necessarily Better", 2018, Section 6.
    """
    return vae(event_shape, latent_dim, objective=PIWAE(bounds, samples, gradient), **options)


@extends(vae, fixes=("objective", "beta", "free_bits", "capacity", "kl"))
def renyi_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    alpha: float | Scheduled = 0.5,
    samples: Count = 8,
    gradient: Literal["plain", "stl", "dreg"] = "plain",
    **options,
) -> VAE:
    """The VAE of the Rényi bound: between the ELBO (alpha 1) and that of IWAE (alpha 0).

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        alpha: Order of the divergence.
        samples: K, posterior samples per example.
        gradient: `"plain"`, `"stl"` or `"dreg"`, see `tfvae.objectives.Renyi`.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Li and Turner, "Rényi Divergence Variational Inference", 2016, Section 4.
    """
    objective = Renyi(alpha, samples=samples, gradient=gradient)
    return vae(event_shape, latent_dim, objective=objective, **options)
