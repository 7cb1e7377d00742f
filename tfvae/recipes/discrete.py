"""Latent variables that are categorical, with the gradient of a relaxation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tfvae import layers, schedules
from tfvae.options.bounds import Count, Levels, Number, Positive
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import of_one_group, vae
from tfvae.vae import VAE

__all__ = ["categorical_vae", "cooling"]


def cooling(temperature: float, end_temperature: float, steps: int) -> float | Callable:
    """A temperature that falls to its end along a line; a number where it takes no steps."""
    if not steps or temperature == end_temperature:
        return end_temperature
    return schedules.Linear(temperature, end_temperature, steps)


@extends(vae, fixes=("posterior",))
def categorical_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 20,
    *,
    categories: Levels = 10,
    temperature: Positive = 1.0,
    end_temperature: Positive = 0.5,
    cooling_steps: Number = 5000,
    **options,
) -> VAE:
    """The VAE of categorical latent variables: Gumbel-softmax at a temperature that falls.

    z is one-hot, and only its gradient that of the relaxation (straight-through): the rate is
    exact, and the ELBO that of the categorical model.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        categories: Values of each of them.
        temperature: Of the relaxation, at the start.
        end_temperature: What it falls to.
        cooling_steps: Steps that it takes.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Jang, Gu, Poole, "Categorical Reparameterization with Gumbel-Softmax", 2017,
        Section 2.2.
        Maddison, Mnih, Teh, "The Concrete Distribution", 2017.
    """
    posterior = layers.RelaxedOneHotCategorical(
        (latent_dim, categories),
        temperature=cooling(temperature, end_temperature, cooling_steps),
        straight_through=True,
    )
    return of_one_group(event_shape, (latent_dim, categories), posterior=posterior, **options)
