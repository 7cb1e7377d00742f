"""Discrete codes: the vector-quantized VAE."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import keras

from tfvae import latents, networks, priors
from tfvae.errors import unknown_name
from tfvae.options.bounds import Count, Number, Share, Weight, Widths
from tfvae.recipes.composing import compose
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.recipes.trunks import Trunks, trunks
from tfvae.vae import VAE

__all__ = ["vq_vae"]

CODE_PRIORS = ("transformer", "categorical")


@extends(vae, fixes=("posterior", "prior"))
def vq_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    codes: Count = 128,
    code_prior: Literal["transformer", "categorical"] | priors.CodePrior = "transformer",
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
        code_prior: `"transformer"`, autoregressive, or `"categorical"`, one at each position; or a
            `tfvae.priors.CodePrior`.
        prior_steps: Steps in which the transformer is fitted.
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
    if code_prior == "transformer":
        code_prior = priors.CodeTransformer(steps=prior_steps)
    elif code_prior == "categorical":
        code_prior = priors.CodePrior()
    elif not isinstance(code_prior, priors.CodePrior):
        raise unknown_name("code_prior", code_prior, CODE_PRIORS)
    if network in ("conv", "resnet"):
        halvings = max(1, math.ceil(math.log2(max(event_shape[:2]) / 8)))
        filters = [32, *[64] * (halvings - 1)]
        network_options = {"filters": filters, **(network_options or {}), "units": None}
    down, up = trunks(event_shape, network, hidden, network_options)
    structure = latents.VectorQuantizer(
        codes,
        code_prior,
        size=latent_dim,
        commitment=commitment,
        decay=decay,
        restart=restart,
        conditioner=conditioner,
    )
    # float32 under mixed precision too, as all that is held against the codebook.
    channels = latent_dim * (pieces if network == "mlp" else 1)
    vectors = keras.layers.Dense(channels, dtype=structure.variable_dtype)

    def encoder(scaled: Callable) -> keras.Model:
        return networks.BottomUp([scaled(down), vectors], conditioner=conditioner)

    return compose(event_shape, encoder, up, latents=structure, conditioner=conditioner, **options)
