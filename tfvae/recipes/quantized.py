"""Discrete codes: the vector-quantized VAE, and other rules from vectors to codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import keras

from tfvae import latents, priors
from tfvae.options.bounds import Bits, Count, Depth, Levels, Number, Positive, Share, Weight, Widths
from tfvae.recipes.codes import of_codes
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.recipes.trunks import Trunks
from tfvae.vae import VAE

__all__ = ["fsq_vae", "lfq_vae", "pixel_vae", "residual_vq_vae", "vq_vae"]


@extends(vae, fixes=("posterior", "prior"))
def vq_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    codes: Count = 128,
    code_prior: Literal["transformer", "pixel_cnn", "categorical"]
    | priors.CodePrior = "transformer",
    prior_steps: Number = 1000,
    pieces: Count = 16,
    commitment: Weight = 0.25,
    decay: Share = 0.99,
    restart: Weight = 0.05,
    network: str | Trunks = "conv",
    hidden: Widths = (200, 200),
    network_options: Mapping | None = None,
    conditioner: keras.layers.Layer | None = None,
    **options,
) -> VAE:
    """The vector-quantized VAE: a map of codes, and a prior over it that is fitted afterwards.

    `vae.latents.fit(vae, train)` fits it; the command line does so at the end of a run.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Numbers in an entry of the codebook.
        codes: Number of entries.
        code_prior: `"transformer"` or `"pixel_cnn"`, autoregressive, or `"categorical"`, one at
            each position; or a `tfvae.priors.CodePrior`.
        prior_steps: Steps in which an autoregressive prior is fitted.
        pieces: Codes of an example where the network is an MLP, which has no grid.
        commitment: Weight of the distance of the encoder's vectors to the codebook.
        decay: Of the codebook's moving means.
        restart: Share of the mean use below which an entry is put elsewhere; 0: never.
        network: As in `vae`.
        hidden: Units of the encoder's MLP; the decoder's has them in reverse.
        network_options: Arguments of the other networks; None: filters to a grid of 8 at most.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017.
    """
    rule = latents.Codebook(codes, commitment=commitment, decay=decay, restart=restart)
    return of_codes(
        event_shape, rule, latent_dim, code_prior=code_prior, prior_steps=prior_steps,
        pieces=pieces, network=network, hidden=hidden, network_options=network_options,
        conditioner=conditioner, **options,
    )  # fmt: skip


@extends(vq_vae, fixes=("code_prior",))
def pixel_vae(event_shape: Sequence[int], latent_dim: Count = 16, **options) -> VAE:
    """The vector-quantized VAE whose prior over codes is a gated PixelCNN.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Numbers in an entry of the codebook.
        **options: Further arguments of `vq_vae`.

    Returns:
        The model, uncompiled.

    References:
        van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017,
        Section 3.3.
        van den Oord et al., "Conditional Image Generation with PixelCNN Decoders", 2016.
    """
    return vq_vae(event_shape, latent_dim, code_prior="pixel_cnn", **options)


@extends(vq_vae)
def residual_vq_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    depth: Depth = 2,
    shared: bool = False,
    codes: Count = 128,
    pieces: Count = 8,
    commitment: Weight = 0.25,
    decay: Share = 0.99,
    restart: Weight = 0.05,
    **options,
) -> VAE:
    """The VAE of residual quantization: a sum of entries at each position of a coarse map.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Numbers in an entry of a codebook.
        depth: Codes of a position.
        shared: Whether all of them are of one codebook.
        codes: Number of entries of a codebook.
        pieces: Positions of an example where the network is an MLP, which has no grid.
        commitment: Weight of the distances to the entries.
        decay: Of the codebooks' moving means.
        restart: Share of the mean use below which an entry is put elsewhere; 0: never.
        **options: Further arguments of `vq_vae`, whose grid is halved once more.

    Returns:
        The model, uncompiled.

    References:
        Lee et al., "Autoregressive Image Generation using Residual Quantization", 2022.
        Zeghidour et al., "SoundStream: An End-to-End Neural Audio Codec", 2021.
    """
    rule = latents.Residual(
        codes, depth, shared=shared, commitment=commitment, decay=decay, restart=restart
    )
    return of_codes(event_shape, rule, latent_dim, pieces=pieces, halvings=1, **options)


@extends(vq_vae, fixes=("codes", "commitment", "decay", "restart"))
def fsq_vae(
    event_shape: Sequence[int], latent_dim: Count = 3, *, levels: Levels = 5, **options
) -> VAE:
    """The VAE of finite scalar quantization: each number of a vector is rounded to few levels.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Numbers in a vector.
        levels: Levels of each of them: levels to the power of latent_dim codes.
        **options: Further arguments of `vq_vae`.

    Returns:
        The model, uncompiled.

    References:
        Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", 2023.
    """
    rule = latents.FiniteScalar([levels] * latent_dim)
    return of_codes(event_shape, rule, latent_dim, **options)


@extends(vq_vae, fixes=("codes", "decay", "restart"))
def lfq_vae(
    event_shape: Sequence[int],
    latent_dim: Bits = 7,
    *,
    entropy: Weight = 1.0,
    diversity: Weight = 1.0,
    commitment: Weight = 0.25,
    temperature: Positive = 1.0,
    **options,
) -> VAE:
    """The VAE of lookup-free quantization: the signs of a vector are its code.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Numbers in a vector: 2 to the power of it codes.
        entropy: Weight of the entropies, see `tfvae.latents.LookupFree`.
        diversity: Weight of the entropy of all codes beside that of each.
        commitment: Weight of the distance of the vectors to their signs.
        temperature: Of the probabilities that the entropies are those of.
        **options: Further arguments of `vq_vae`.

    Returns:
        The model, uncompiled.

    References:
        Yu et al., "Language Model Beats Diffusion: Tokenizer is Key to Visual Generation", 2023.
    """
    rule = latents.LookupFree(
        latent_dim,
        entropy=entropy,
        diversity=diversity,
        commitment=commitment,
        temperature=temperature,
    )
    return of_codes(event_shape, rule, latent_dim, **options)
