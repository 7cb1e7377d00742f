"""Models with an adversary: a discriminator that the objective trains by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import keras

from tfvae.objectives import AdversarialAutoencoder, SoftIntroVAE, VaeGan
from tfvae.options.bounds import Count, Positive, Weight, Widths
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.recipes.trunks import Trunks, trunks
from tfvae.schedules import Scheduled
from tfvae.vae import VAE

__all__ = ["aae", "intro_vae", "vae_gan"]


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


@extends(vae, fixes=("objective", "free_bits", "capacity", "samples", "kl"))
def vae_gan(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    strength: Weight | Scheduled = 0.1,
    beta: Weight | Scheduled = 0.01,
    units: Widths = (256, 256),
    optimizer: str | dict | keras.optimizers.Optimizer = "adam",
    learning_rate: Positive = 1e-4,
    network: str | Trunks = "mlp",
    hidden: Widths = (200, 200),
    network_options: Mapping | None = None,
    **options,
) -> VAE:
    """The VAE-GAN: the distance of a discriminator's features in the place of the distortion.

    What it logs as `elbo` and `distortion` is of the likelihood, which it does not train on.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        strength: Weight of the decoder's loss against the discriminator.
        beta: Weight of the rate beside the distance of the features.
        units: Units of the discriminator's layers where the network is an MLP, or given; else it
            is another network of the encoder's kind.
        optimizer: The discriminator's: the name of a Keras optimizer (`"adam"` with decays of 0.5
            and 0.9), or an optimizer.
        learning_rate: Of an optimizer that is given by name.
        network: As in `vae`.
        hidden: Units of the encoder's MLP; the decoder's has them in reverse.
        network_options: Further arguments of the network, such as `filters`.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Larsen, Sønderby, Larochelle, Winther, "Autoencoding beyond pixels using a learned
        similarity metric", 2016, Algorithm 1.
    """
    features = None
    if isinstance(network, str) and network != "mlp":
        features, _ = trunks(event_shape, network, hidden, network_options)
    objective = VaeGan(
        strength, beta=beta, features=features, units=units, optimizer=optimizer,
        learning_rate=learning_rate,
    )  # fmt: skip
    given = {"network": network, "hidden": hidden, "network_options": network_options}
    return vae(event_shape, latent_dim, objective=objective, **given, **options)


@extends(vae, fixes=("objective", "free_bits", "capacity", "samples", "kl"))
def intro_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    strength: Weight | Scheduled = 1.0,
    beta: Weight | Scheduled = 1.0,
    beta_negative: Weight | Scheduled = 64.0,
    sharpness: Positive = 2.0,
    **options,
) -> VAE:
    """The soft-introspective VAE: the encoder tells data from what the decoder makes.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        strength: Weight of the game beside the negative ELBO.
        beta: Weight of the rate.
        beta_negative: Weight of the rate of made examples in the encoder's loss.
        sharpness: Of the exponential of their ELBO.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Daniel and Tamar, "Soft-IntroVAE: Analyzing and Improving the Introspective Variational
        Autoencoder", 2021, Algorithm 1.
    """
    objective = SoftIntroVAE(strength, beta=beta, beta_negative=beta_negative, sharpness=sharpness)
    return vae(event_shape, latent_dim, objective=objective, **options)
