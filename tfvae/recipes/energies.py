"""Models that are trained on an energy of two images, which is no likelihood."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import keras

from tfvae import layers
from tfvae.options.bounds import Count, Positive
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.vae import VAE

__all__ = ["dfc_vae", "msssim_vae"]


@extends(vae, fixes={"likelihood": "multi_scale_ssim"})
def msssim_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    weight: Positive = 100.0,
    **options,
) -> VAE:
    """The VAE on multi-scale structural similarity: an energy, so there is no log p(x).

    Args:
        event_shape: Shape of one image, channels last.
        latent_dim: Number of latent variables.
        weight: Of 1 - MS-SSIM beside the rate, nats.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled; `fit` logs `energy` and `rate`.

    References:
        Snell et al., "Learning to Generate Images with Perceptual Similarity Metrics", 2017.
    """
    likelihood = functools.partial(layers.MultiScaleSSIM, weight=weight)
    return vae(event_shape, latent_dim, likelihood=likelihood, **options)


@extends(vae, fixes={"likelihood": "perceptual_distance"})
def dfc_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    features: str | keras.Model | None = None,
    weight: Positive = 1000.0,
    **options,
) -> VAE:
    """The deep feature consistent VAE: a distance in a network's features, so no log p(x).

    Args:
        event_shape: Shape of one image, channels last.
        latent_dim: Number of latent variables.
        features: Path of a Keras model from images to features, or the model; None: three
            convolutions with random kernels, always the same, for which nothing is downloaded. The
            paper has a VGG-19 that was trained on ImageNet.
        weight: Of the distance beside the rate, nats.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled; `fit` logs `energy` and `rate`.

    References:
        Hou, Shen, Sun, Qiu, "Deep Feature Consistent Variational Autoencoder", 2017, Eq. 5 and 6.
    """
    likelihood = functools.partial(layers.PerceptualDistance, features=features, weight=weight)
    return vae(event_shape, latent_dim, likelihood=likelihood, **options)
