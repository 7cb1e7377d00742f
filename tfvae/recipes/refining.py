"""Models whose posterior's draws follow the density of the model, after the encoder's draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tfvae.latents import Hamiltonian, Riemannian
from tfvae.latents.refined import Refined
from tfvae.options.bounds import Count, Depth, Positive, Share
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.vae import VAE

__all__ = ["hvae", "rhvae"]


def _refined(model: VAE, structure: type[Refined], **numbers) -> VAE:
    """The model of the same parts with a structure that is made of its prior."""
    return VAE(
        model.encoder,
        model.decoder,
        objective=model.objective,
        latents=structure(model.prior, **numbers),
        seed=model.seed,
    )


@extends(vae)
def hvae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    steps: Depth = 3,
    step_size: Positive = 0.05,
    max_step: Positive = 0.5,
    tempering: Literal["none", "fixed", "free"] = "fixed",
    beta_zero: Share = 0.5,
    **options,
) -> VAE:
    """The Hamiltonian VAE: the posterior's draws, carried on by leapfrog steps on log p(x, z).

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        steps: Leapfrog steps, each of which costs a gradient of the decoder.
        step_size: Of each element of z, at the start; it is learned.
        max_step: The largest step size.
        tempering: How the momentum is cooled, see `tfvae.latents.Hamiltonian`.
        beta_zero: Inverse temperature of the momentum at the start, above 0 and below 1.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Caterini, Doucet, Sejdinovic, "Hamiltonian Variational Auto-Encoder", 2018, Algorithm 1.
    """
    model = vae(event_shape, latent_dim, **options)
    return _refined(
        model,
        Hamiltonian,
        steps=steps,
        step_size=step_size,
        max_step=max_step,
        tempering=tempering,
        beta_zero=beta_zero,
    )


@extends(vae)
def rhvae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    centroids: Count = 20,
    temperature: Positive = 1.0,
    regularization: Positive = 0.01,
    iterations: Depth = 3,
    steps: Depth = 3,
    step_size: Positive = 0.05,
    max_step: Positive = 0.5,
    tempering: Literal["none", "fixed", "free"] = "fixed",
    beta_zero: Share = 0.5,
    **options,
) -> VAE:
    """The Riemannian Hamiltonian VAE: the draws move under a metric that is learned.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        centroids: Around so many points the metric is learned.
        temperature: How far the metric of a centroid reaches, in units of the root of latent_dim.
        regularization: What remains of the inverse metric far from all centroids.
        iterations: Fixed-point iterations in each step.
        steps: Leapfrog steps, each of which costs a gradient of the decoder.
        step_size: Of each element of z, at the start; it is learned.
        max_step: The largest step size.
        tempering: How the momentum is cooled, see `tfvae.latents.Hamiltonian`.
        beta_zero: Inverse temperature of the momentum at the start, above 0 and below 1.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Chadebec, Mantoux, Allassonnière, "Geometry-Aware Hamiltonian Variational Auto-Encoder",
        2020, Algorithm 1.
    """
    model = vae(event_shape, latent_dim, **options)
    return _refined(
        model,
        Riemannian,
        centroids=centroids,
        temperature=temperature,
        regularization=regularization,
        iterations=iterations,
        steps=steps,
        step_size=step_size,
        max_step=max_step,
        tempering=tempering,
        beta_zero=beta_zero,
    )
