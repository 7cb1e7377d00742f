"""Several groups of latent variables, each given those above."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import keras

from tfvae import latents, layers, networks
from tfvae.errors import UserError
from tfvae.objectives import Objective
from tfvae.options.bounds import Count, Depth, Number, Share, Widths
from tfvae.recipes.composing import compose
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.recipes.trunks import Trunks, trunks
from tfvae.recipes.warming import warmed
from tfvae.schedules import Scheduled
from tfvae.vae import VAE

__all__ = ["ladder_vae", "two_layer_vae", "vdvae"]


def _structured(
    event_shape: Sequence[int],
    stages: Sequence[keras.layers.Layer],
    up: keras.layers.Layer,
    structure: latents.LatentStructure,
    *,
    warm_up: int,
    objective: str | Objective | Callable | None,
    beta: float | Scheduled | None,
    conditioner: keras.layers.Layer | None,
    **options,
) -> VAE:
    """The model of a latent structure, for the features of the encoder's stages.

    Args:
        event_shape: Shape of one example, channels last.
        stages: Of the encoder, from x upwards.
        up: Trunk of the decoder.
        structure: How z is inferred and generated.
        warm_up: Steps of a line from zero to beta, where that is a number.
        objective: As in `vae`.
        beta: Weight of the rate; None: 1, or what the objective has.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        **options: Further arguments of `compose`.

    Returns:
        The model, uncompiled.
    """
    beta = warmed(beta, objective, warm_up)

    def encoder(scaled: Callable) -> keras.Model:
        return networks.BottomUp([scaled(stages[0]), *stages[1:]], conditioner=conditioner)

    return compose(
        event_shape, encoder, up, latents=structure, objective=objective, conditioner=conditioner,
        beta=beta, **options,
    )  # fmt: skip


def _normals(hidden: Sequence[int], size: int, activation: str) -> keras.Model:
    """A network that returns independent normals."""
    return networks.Encoder(networks.MLP(hidden, activation), layers.IndependentNormal(size))


@extends(vae, fixes=("posterior", "prior"))
def two_layer_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 50,
    *,
    lower_dim: Count | None = None,
    upper_hidden: Widths = (100, 100),
    activation: str = "tanh",
    warm_up: Number = 1000,
    balance: Share | Scheduled | None = None,
    network: str | Trunks = "mlp",
    hidden: Widths = (200, 200),
    network_options: Mapping | None = None,
    conditioner: keras.layers.Layer | None = None,
    **options,
) -> VAE:
    """Two stochastic layers: x - hidden - h_1 - upper_hidden - h_2, inferred from the bottom up.

    The defaults are the published model, x-200-200-100-100-100-50; groups `(h_2, h_1)`.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of variables of h_2.
        lower_dim: Those of h_1; None: twice as many.
        upper_hidden: Units between the two, in both directions.
        activation: Keras activation of all hidden layers of an MLP.
        warm_up: Steps over which beta rises from zero, where it is a number. Without it the upper
            layer may stay unused (Sønderby et al., "Ladder Variational Autoencoders", 2016).
        balance: From 0 to 1: how far a group's rate weighs as its share, see `ELBO`; None: not.
        network: As in `vae`.
        hidden: Units of the encoder's MLP; the decoder's has them in reverse.
        network_options: As in `vae`.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", 2016, Section 5.
    """
    if network == "mlp":
        network_options = {"activation": activation, **(network_options or {})}
    down, up = trunks(event_shape, network, hidden, network_options)
    lower = lower_dim or 2 * latent_dim
    normals = functools.partial(_normals, activation=activation)
    top = [] if conditioner is None else [normals([], latent_dim)]
    structure = latents.StochasticLayers(
        inference=[normals([], lower), normals(upper_hidden, latent_dim)],
        generation=[*top, normals(upper_hidden[::-1], lower)],
        conditioner=conditioner,
    )
    options |= {"conditioner": conditioner, "warm_up": warm_up, "balance": balance}
    return _structured(event_shape, [down], up, structure, **options)


@extends(vae, fixes=("posterior", "prior"))
def ladder_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 32,
    *,
    levels: Depth = 3,
    warm_up: Number = 1000,
    balance: Share | Scheduled | None = None,
    network: str | Trunks = "mlp",
    hidden: Widths = (200, 200),
    network_options: Mapping | None = None,
    conditioner: keras.layers.Layer | None = None,
    **options,
) -> VAE:
    """The ladder VAE: a deterministic pass upwards, then evidence and prior combined downwards.

    Each level has half the units and latent variables of the one below. Without the paper's batch
    normalization, which makes the likelihood of an example depend on the others.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables of the lowest level.
        levels: Number of levels.
        warm_up: Steps over which beta rises from zero, where it is a number.
        balance: From 0 to 1: how far a group's rate weighs as its share, see `ELBO`; None: not.
        network: Trunk of the lowest level, as in `vae`.
        hidden: Units of the MLPs of the lowest level.
        network_options: As in `vae`.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Sønderby et al., "Ladder Variational Autoencoders", 2016, Section 2.
    """
    down, up = trunks(event_shape, network, hidden, network_options)
    units = [[max(1, n >> level) for n in hidden] for level in range(levels)]
    sizes = [max(1, latent_dim >> level) for level in range(levels)]
    above = [*units[1:], None if conditioner is None else []]
    blocks = [latents.LadderBlock(sizes[k], k, above[k]) for k in reversed(range(levels))]
    stages = [down, *(networks.MLP(n) for n in units[1:])]
    structure = latents.TopDown(blocks, conditioner=conditioner)
    options |= {"conditioner": conditioner, "warm_up": warm_up, "balance": balance}
    return _structured(event_shape, stages, up, structure, **options)


@extends(vae, fixes=("posterior", "prior", "network", "hidden", "network_options"))
def vdvae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    decoder: str | None = None,
    encoder: str | None = None,
    filters: Count = 64,
    bottleneck: Share = 0.25,
    warm_up: Number = 1000,
    balance: Share | Scheduled | None = None,
    conditioner: keras.layers.Layer | None = None,
    **options,
) -> VAE:
    """The very deep VAE: residual blocks from the coarsest grid to the finest, z on each.

    Args:
        event_shape: Shape of one image, `(R, R, channels)`.
        latent_dim: Channels of z in each block.
        decoder: Blocks on each grid, such as `"14x2,7x2,1x1"`, see
            `tfvae.latents.very_deep_blocks`; None: two blocks on each grid from half the image's
            down to 4 or an odd size, then one at 1x1.
        encoder: Such as `"28x1,28d2,14x1,14d2,7x1,7d7,1x1"`, see
            `tfvae.networks.bottleneck_stages`; None: one block on each grid.
        filters: Channels of the state.
        bottleneck: Channels inside the bottlenecks, as a share of `filters`.
        warm_up: Steps over which beta rises from zero, where it is a number.
        balance: From 0 to 1: how far a group's rate weighs as its share, see `ELBO`; None: not.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Child, "Very Deep VAEs Generalize Autoregressive Models and Can Outperform Them on
        Images", 2021.
    """
    size = event_shape[0]
    if len(event_shape) != 3 or event_shape[1] != size:
        raise UserError(f"vdvae takes square images, got the shape {tuple(event_shape)}")
    sizes = [size]
    while sizes[-1] % 2 == 0 and sizes[-1] > 4:
        sizes.append(sizes[-1] // 2)
    sizes += [1] if sizes[-1] > 1 else []
    ways = itertools.pairwise(sizes)
    encoder = encoder or ",".join([*(f"{r}x1,{r}d{r // s}" for r, s in ways), "1x1"])
    decoder = decoder or ",".join(f"{r}x{2 if r > 1 else 1}" for r in sizes[1:] or sizes)
    stages = networks.bottleneck_stages(encoder, filters, bottleneck)
    blocks = latents.very_deep_blocks(
        decoder, filters=filters, latent=latent_dim, bottleneck=bottleneck
    )
    doublings = round(math.log2(size / blocks[-1].size))
    up = keras.layers.Identity()
    if doublings:
        up = networks.ConvUp([filters] * doublings, event_shape[:2], activation="gelu")

    structure = latents.TopDown(blocks, conditioner=conditioner)
    options |= {"conditioner": conditioner, "warm_up": warm_up, "balance": balance}
    return _structured(event_shape, stages, up, structure, **options)
