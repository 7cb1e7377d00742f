"""Models that hold all codes together, the aggregate posterior, against the prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tfvae.objectives import InfoVAE, SlicedWasserstein
from tfvae.options.bounds import Count, Positive, Weight
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.schedules import Scheduled
from tfvae.vae import VAE

__all__ = ["info_vae", "swae", "wae_mmd"]


@extends(vae, fixes=("objective", "beta", "free_bits", "capacity", "samples", "kl"))
def info_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    alpha: float | Scheduled = 0.5,
    strength: Weight | Scheduled = 10.0,
    kernel: Literal["rbf", "imq"] = "rbf",
    bandwidth: Positive = 1.0,
    unbiased: bool = True,
    draws: Count = 256,
    **options,
) -> VAE:
    """The InfoVAE: of the rate a part, in its place the maximum mean discrepancy from the prior.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        alpha: The rate weighs 1 - alpha.
        strength: The discrepancy weighs alpha + strength - 1.
        kernel: `"rbf"` or `"imq"`, see `tfvae.objectives.InfoVAE`.
        bandwidth: Of the kernel, in units of z.
        unbiased: Whether the estimate leaves out the pairs of a code with itself.
        draws: Draws of the prior in each step.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Zhao, Song, Ermon, "InfoVAE: Balancing Learning and Inference in Variational Autoencoders",
        2019, Section 4.
    """
    objective = InfoVAE(
        alpha, strength, kernel=kernel, bandwidth=bandwidth, unbiased=unbiased, draws=draws
    )
    return vae(event_shape, latent_dim, objective=objective, **options)


@extends(vae, fixes=("objective", "beta", "free_bits", "capacity", "samples", "kl"))
def wae_mmd(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    strength: Weight | Scheduled = 10.0,
    kernel: Literal["rbf", "imq"] = "imq",
    bandwidth: Positive = 1.0,
    **options,
) -> VAE:
    """The Wasserstein autoencoder: no rate, but the maximum mean discrepancy from the prior.

    The encoder draws its codes, as any posterior does. The transport's cost is -log p(x|z): for a
    squared distance take a normal likelihood of fixed scale.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        strength: Weight of the discrepancy.
        kernel: `"rbf"` or `"imq"`, see `tfvae.objectives.InfoVAE`.
        bandwidth: Of the kernel, in units of z.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Tolstikhin, Bousquet, Gelly, Schölkopf, "Wasserstein Auto-Encoders", 2018, Algorithm 2.
    """
    objective = InfoVAE(1.0, strength, kernel=kernel, bandwidth=bandwidth)
    return vae(event_shape, latent_dim, objective=objective, **options)


@extends(vae, fixes=("objective", "beta", "free_bits", "capacity", "samples", "kl"))
def swae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    strength: Weight | Scheduled = 10.0,
    projections: Count = 50,
    **options,
) -> VAE:
    """The sliced Wasserstein autoencoder: no rate, but the sliced distance from the prior.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        strength: Weight of the squared sliced Wasserstein distance.
        projections: Directions of the slices in each step.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Kolouri, Pope, Martin, Rohde, "Sliced Wasserstein Auto-Encoders", 2019, Algorithm 1.
    """
    objective = SlicedWasserstein(strength, projections=projections)
    return vae(event_shape, latent_dim, objective=objective, **options)
