"""Codes without noise: autoencoders whose density of z is fitted after the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tfvae import layers
from tfvae.objectives import RegularizedAutoencoder
from tfvae.options.bounds import Count, Weight, Widths
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.recipes.trunks import Trunks, trunks
from tfvae.schedules import Scheduled
from tfvae.vae import VAE

__all__ = ["ae", "rae_gp", "rae_l2", "rae_sn"]


@extends(
    vae,
    fixes=("posterior", "prior", "objective", "beta", "free_bits", "capacity", "samples", "kl"),
)
def ae(event_shape: Sequence[int], latent_dim: Count = 16, **options) -> VAE:
    """The autoencoder: a code without noise, and the distortion alone.

    It has no ELBO and no log p(x), see `tfvae.layers.Deterministic`. Its prior is the standard
    normal, which nothing holds the codes to, until another density of z is fitted.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Numbers in a code.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", 2006.
    """
    return vae(event_shape, latent_dim, posterior="deterministic", beta=0.0, **options)


def _regularized(
    event_shape: Sequence[int], latent_dim: int, options: Mapping, **weights: float | Scheduled
):
    """The autoencoder with that objective."""
    objective = RegularizedAutoencoder(**weights)
    return vae(event_shape, latent_dim, posterior="deterministic", objective=objective, **options)


@extends(ae)
def rae_l2(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    code: Weight | Scheduled = 0.1,
    decay: Weight | Scheduled = 0.01,
    **options,
) -> VAE:
    """The regularized autoencoder with weight decay: small codes, and a decoder of small weights.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Numbers in a code.
        code: Weight of half the squared norm of the code.
        decay: Weight of half the squared norm of the decoder's weights.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Ghosh et al., "From Variational to Deterministic Autoencoders", 2020, Eq. 9 and 11.
    """
    return _regularized(event_shape, latent_dim, options, code=code, decay=decay)


@extends(ae)
def rae_gp(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    code: Weight | Scheduled = 0.1,
    gradient: Weight | Scheduled = 0.1,
    **options,
) -> VAE:
    """The regularized autoencoder with a gradient penalty: near codes are decoded alike.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Numbers in a code.
        code: Weight of half the squared norm of the code.
        gradient: Weight of half the squared norm of the gradient of the decoder's mean in z.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Ghosh et al., "From Variational to Deterministic Autoencoders", 2020, Eq. 9 and 10.
    """
    return _regularized(event_shape, latent_dim, options, code=code, gradient=gradient)


@extends(ae)
def rae_sn(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    code: Weight | Scheduled = 0.01,
    network: str | Trunks = "mlp",
    hidden: Widths = (200, 200),
    network_options: Mapping | None = None,
    **options,
) -> VAE:
    """The regularized autoencoder with spectral normalization: the decoder's trunk contracts.

    Every kernel of the trunk is divided by its largest singular value. The map from the trunk to
    the likelihood's parameters is free: it gives them their scale.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Numbers in a code.
        code: Weight of half the squared norm of the code.
        network: As in `vae`.
        hidden: Units of the encoder's MLP; the decoder's has them in reverse.
        network_options: Further arguments of the network.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Ghosh et al., "From Variational to Deterministic Autoencoders", 2020, Section 3.1.
        Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018.
    """
    down, up = trunks(event_shape, network, hidden, network_options)
    network = (down, layers.SpectralNorm(up))
    return _regularized(event_shape, latent_dim, {**options, "network": network}, code=code)
