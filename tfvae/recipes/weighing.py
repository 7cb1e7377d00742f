"""Models that change the weight of the rate on the way, by a schedule or by a multiplier."""

from __future__ import annotations

import numbers
from collections.abc import Sequence

from tfvae.objectives import GECO
from tfvae.options.bounds import Count, Positive, Share, Weight
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.schedules import Cyclical, Linear, Scheduled
from tfvae.vae import VAE

__all__ = ["annealed_vae", "disentangled_beta_vae", "geco_vae"]


@extends(vae, fixes=("objective",))
def annealed_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    beta: Weight | Scheduled = 1.0,
    period: Count = 2000,
    ramp: Share = 0.5,
    **options,
) -> VAE:
    """The VAE with cyclical annealing: the weight of the rate rises from 0 anew in each cycle.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        beta: Weight that is reached in each cycle; a schedule is taken as it is.
        period: Steps in a cycle.
        ramp: Share of a cycle in which the weight rises.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Fu et al., "Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing",
        2019, Eq. 6-7.
    """
    if isinstance(beta, numbers.Real):
        beta = Cyclical(0.0, beta, period, ramp=ramp)
    return vae(event_shape, latent_dim, beta=beta, **options)


@extends(vae, fixes=("objective", "free_bits"))
def disentangled_beta_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 10,
    *,
    beta: Weight | Scheduled = 10.0,
    capacity: Weight | Scheduled = 25.0,
    steps: Count = 10_000,
    **options,
) -> VAE:
    """The beta-VAE with a capacity: the rate is held at a target that rises from 0.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        beta: Weight of the distance of the mean rate from the target; the paper has 1000, which
            leaves the distortion little say where x has few elements.
        capacity: Target that is reached, nats; a schedule is taken as it is.
        steps: Training steps in which the target rises; the paper has 100,000. A rate that is told
            to rise faster than the decoder learns tells it nothing.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Burgess et al., "Understanding Disentangling in beta-VAE", 2018, Eq. 8.
    """
    if isinstance(capacity, numbers.Real):
        capacity = Linear(0.0, capacity, steps)
    return vae(event_shape, latent_dim, beta=beta, capacity=capacity, **options)


@extends(vae, fixes=("objective", "beta", "free_bits", "capacity", "samples", "kl"))
def geco_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    target: float | Scheduled = 0.2,
    rate: Positive = 0.01,
    **options,
) -> VAE:
    """The VAE by constrained optimization: the smallest rate of a distortion that is given.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        target: Distortion that is held, nats for each element of x.
        rate: Of the multiplier's steps.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Rezende and Viola, "Taming VAEs", 2018, Algorithm 1.
    """
    return vae(event_shape, latent_dim, objective=GECO(target, rate=rate), **options)
