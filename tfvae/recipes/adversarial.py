"""Models with an adversary: a discriminator that the objective trains by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from tfvae.objectives import AdversarialAutoencoder
from tfvae.options.bounds import Count, Positive, Weight, Widths
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.schedules import Scheduled
from tfvae.vae import VAE

__all__ = ["aae"]


@extends(vae, fixes=("objective", "beta", "free_bits", "capacity", "samples", "kl"))
def aae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    strength: Weight | Scheduled = 2.0,
    units: Widths = (256, 256),
    optimizer: str | dict | keras.optimizers.Optimizer = "adam",
    learning_rate: Positive = 1e-3,
    posterior: str | keras.layers.Layer | Callable | None = None,
    **options,
) -> VAE:
    """The adversarial autoencoder: no rate, but a discriminator that tells codes from the prior.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        strength: Weight of the encoder's loss against the discriminator.
        units: Units of the discriminator's layers.
        optimizer: The discriminator's: the name of a Keras optimizer (`"adam"` with decays of 0.5
            and 0.9), or an optimizer.
        learning_rate: Of an optimizer that is given by name.
        posterior: q(z|x), as in `vae`; None: factorized normal. With `"deterministic"`, as in most
            of the paper, there is no ELBO and no log p(x).
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Makhzani, Shlens, Jaitly, Goodfellow, Frey, "Adversarial Autoencoders", 2016, Section 2.
    """
    objective = AdversarialAutoencoder(
        strength, units=units, optimizer=optimizer, learning_rate=learning_rate
    )
    return vae(event_shape, latent_dim, posterior=posterior, objective=objective, **options)
