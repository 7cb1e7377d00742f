"""Latent variables that are categorical, alone or beside continuous ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tfvae import layers
from tfvae.objectives import JointCapacity
from tfvae.options.bounds import Count, Levels, Number, Positive, Weight
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import of_one_group, vae
from tfvae.schedules import Linear
from tfvae.vae import VAE

__all__ = ["categorical_vae", "joint_vae"]


def along_a_line(start: float, end: float, steps: int) -> float | Callable:
    """A number that goes to its end along a line; the end itself where that takes no steps."""
    return Linear(start, end, steps) if steps and start != end else end


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
        temperature=along_a_line(temperature, end_temperature, cooling_steps),
        straight_through=True,
    )
    return of_one_group(event_shape, (latent_dim, categories), posterior=posterior, **options)


@extends(
    vae, fixes=("posterior", "prior", "objective", "beta", "free_bits", "capacity", "samples", "kl")
)
def joint_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 10,
    *,
    discrete: Count = 1,
    categories: Levels = 10,
    gamma: Weight = 30.0,
    continuous_capacity: Weight = 5.0,
    discrete_capacity: Weight = 5.0,
    capacity_steps: Number = 10_000,
    temperature: Positive = 0.67,
    **options,
) -> VAE:
    """The JointVAE: continuous and discrete latent variables, a target of the rate for each kind.

    z is `latent_dim` normal numbers, and behind them the one-hot vectors of the categorical
    variables, whose gradient is that of their relaxation (straight-through).

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of continuous latent variables.
        discrete: Number of categorical ones.
        categories: Values of each of these.
        gamma: Weight of the distances of both rates from their targets.
        continuous_capacity: Target of the continuous variables' rate, nats.
        discrete_capacity: Target of the discrete variables' rate, nats; at most what they can tell.
        capacity_steps: Training steps in which the targets rise from 0; the paper has 25,000.
        temperature: Of the relaxation.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Dupont, "Learning Disentangled Joint Continuous and Discrete Representations", 2018.
    """
    posterior = layers.Product(
        [
            layers.IndependentNormal(latent_dim),
            layers.RelaxedOneHotCategorical(
                (discrete, categories), temperature=temperature, straight_through=True
            ),
        ]
    )
    objective = JointCapacity(
        gamma,
        along_a_line(0.0, continuous_capacity, capacity_steps),
        along_a_line(0.0, discrete_capacity, capacity_steps),
    )
    numbers = {"beta": None, "free_bits": None, "capacity": None, "samples": None, "kl": None}
    return of_one_group(
        event_shape, posterior.event_shape, posterior=posterior, prior=None, objective=objective,
        **numbers, **options,
    )  # fmt: skip
