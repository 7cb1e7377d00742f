"""Models that press on what the latent variables have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import keras

from tfvae.objectives import BetaTCVAE, DipVAE, FactorVAE
from tfvae.options.bounds import Count, Examples, Positive, Weight, Widths
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.schedules import Scheduled
from tfvae.vae import VAE

__all__ = ["beta_tcvae", "dip_vae", "factor_vae"]


@extends(vae, fixes=("objective", "free_bits", "capacity", "samples", "kl"))
def beta_tcvae(
    event_shape: Sequence[int],
    latent_dim: Count = 10,
    *,
    beta: Weight | Scheduled = 6.0,
    alpha: Weight | Scheduled = 1.0,
    gamma: Weight | Scheduled = 1.0,
    examples: Examples | None = None,
    **options,
) -> VAE:
    """The beta-TCVAE: of the rate's three parts, the total correlation weighs beta times.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        beta: Weight of the total correlation.
        alpha: Weight of the mutual information.
        gamma: Weight of the dimension-wise KL.
        examples: Size of the training set; None: `fit` sees it.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Chen, Li, Grosse, Duvenaud, "Isolating Sources of Disentanglement in VAEs", 2018, Eq. 4.
    """
    objective = BetaTCVAE(beta, alpha=alpha, gamma=gamma, examples=examples)
    return vae(event_shape, latent_dim, objective=objective, **options)


@extends(vae, fixes=("objective", "beta", "free_bits", "capacity", "samples", "kl"))
def dip_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 10,
    *,
    off_diagonal: Weight | Scheduled = 10.0,
    diagonal: Weight | Scheduled = 10.0,
    kind: Literal["i", "ii"] = "i",
    **options,
) -> VAE:
    """The DIP-VAE: the covariance of the codes over the data is held to the identity.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        off_diagonal: Weight of the squared covariances.
        diagonal: Weight of the squared distances of the variances from 1.
        kind: Covariance of the posterior's mean, `"i"`, or of the code, `"ii"`.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Kumar, Sattigeri, Balakrishnan, "Variational Inference of Disentangled Latent Concepts from
        Unlabeled Observations", 2018, Section 3.
    """
    objective = DipVAE(off_diagonal, diagonal, kind=kind)
    return vae(event_shape, latent_dim, objective=objective, **options)


@extends(vae, fixes=("objective", "beta", "free_bits", "capacity", "samples", "kl"))
def factor_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 10,
    *,
    gamma: Weight | Scheduled = 10.0,
    units: Widths = (256, 256, 256),
    optimizer: str | dict | keras.optimizers.Optimizer = "adam",
    learning_rate: Positive = 1e-4,
    **options,
) -> VAE:
    """The FactorVAE: a total correlation that a discriminator estimates weighs gamma times.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        gamma: Weight of the total correlation, beside the ELBO's own.
        units: Units of the discriminator's layers.
        optimizer: The discriminator's: the name of a Keras optimizer (`"adam"` with the paper's
            0.5 and 0.9), or an optimizer.
        learning_rate: Of an optimizer that is given by name.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Kim and Mnih, "Disentangling by Factorising", 2018, Eq. 2.
    """
    objective = FactorVAE(gamma, units=units, optimizer=optimizer, learning_rate=learning_rate)
    return vae(event_shape, latent_dim, objective=objective, **options)
