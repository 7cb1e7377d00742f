"""What the models of discrete codes have in common: trunks down to a grid, a prior over codes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import keras

from tfvae import latents, networks, priors
from tfvae.errors import unknown_name
from tfvae.recipes.composing import compose
from tfvae.recipes.trunks import Trunks, trunks
from tfvae.vae import VAE

__all__ = ["of_codes"]

CODE_PRIORS = {
    "transformer": priors.CodeTransformer,
    "pixel_cnn": priors.CodePixelCNN,
    "categorical": priors.CodePrior,
}


def of_codes(
    event_shape: Sequence[int],
    rule: latents.Quantization,
    size: int,
    *,
    code_prior: str | priors.CodePrior,
    prior_steps: int,
    pieces: int,
    network: str | Trunks,
    hidden: Sequence[int],
    network_options: Mapping | None,
    conditioner: keras.layers.Layer | None,
    halvings: int = 0,
    **options,
) -> VAE:
    """The model of a rule from vectors to codes; see `vq_vae` for what is not listed.

    Args:
        event_shape: Shape of one example, channels last.
        rule: From vectors to codes.
        size: Numbers in a vector.
        code_prior: See `vq_vae`.
        prior_steps: See `vq_vae`.
        pieces: See `vq_vae`.
        network: See `vae`.
        hidden: See `vae`.
        network_options: See `vq_vae`.
        conditioner: See `vae`.
        halvings: How often an image's grid is halved beyond one of 8 at most.
        **options: Further arguments of `compose`.

    Returns:
        The model, uncompiled.
    """
    if isinstance(code_prior, str):
        if code_prior not in CODE_PRIORS:
            raise unknown_name("code_prior", code_prior, CODE_PRIORS)
        fitted = {} if code_prior == "categorical" else {"steps": prior_steps}
        code_prior = CODE_PRIORS[code_prior](**fitted)
    elif not isinstance(code_prior, priors.CodePrior):
        raise unknown_name("code_prior", code_prior, CODE_PRIORS)
    if network in ("conv", "resnet"):
        halvings += max(1, math.ceil(math.log2(max(event_shape[:2]) / 8)))
        filters = [32, *[64] * (halvings - 1)]
        network_options = {"filters": filters, **(network_options or {}), "units": None}
    down, up = trunks(event_shape, network, hidden, network_options)
    structure = latents.Quantizer(rule, code_prior, size=size, conditioner=conditioner)
    # float32 under mixed precision too, as all that is held against the codes.
    channels = size * (pieces if network == "mlp" else 1)
    vectors = keras.layers.Dense(channels, dtype=structure.variable_dtype)

    def encoder(scaled: Callable) -> keras.Model:
        return networks.BottomUp([scaled(down), vectors], conditioner=conditioner)

    return compose(event_shape, encoder, up, latents=structure, conditioner=conditioner, **options)
