"""Models whose z lies on the Poincaré ball."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Literal

import keras

from tfvae import layers, networks, priors
from tfvae.errors import unknown_name
from tfvae.options.bounds import Count, Positive, Widths
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.recipes.trunks import Trunks, trunks
from tfvae.vae import VAE

__all__ = ["poincare_vae"]

FIRST_LAYERS = ("gyroplane", "tangent", "none")


@extends(vae, fixes=("posterior", "prior"))
def poincare_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    curvature: Positive = 1.0,
    prior_scale: Positive = 1.0,
    first_layer: Literal["gyroplane", "tangent", "none"] = "gyroplane",
    network: str | Trunks = "mlp",
    hidden: Widths = (200, 200),
    network_options: Mapping | None = None,
    **options,
) -> VAE:
    """The Poincaré VAE: wrapped normals as posterior and prior, on a ball of curvature -c.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Dimensions of the ball.
        curvature: c; the ball has the radius of one over its root.
        prior_scale: Scale of the prior around the origin.
        first_layer: What stands in front of the decoder's network: `"gyroplane"`, distances from
            geodesic hyperplanes; `"tangent"`, the logarithmic map; `"none"`.
        network: As in `vae`.
        hidden: As in `vae`.
        network_options: As in `vae`.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    Raises:
        UnknownNameError: If the first layer is another one.

    References:
        Mathieu et al., "Continuous Hierarchical Representations with Poincaré Variational
        Auto-Encoders", 2019, Section 3.
    """
    if first_layer not in FIRST_LAYERS:
        raise unknown_name("first_layer", first_layer, FIRST_LAYERS)
    down, up = trunks(event_shape, network, hidden, network_options)
    if first_layer == "gyroplane":
        units = tuple(hidden)[-1] if len(hidden) else latent_dim
        first = networks.Gyroplane(units, latent_dim, curvature=curvature)
        up = keras.Sequential([first, keras.layers.Activation("relu"), up])
    elif first_layer == "tangent":
        up = keras.Sequential([networks.TangentMap(latent_dim, curvature=curvature), up])
    posterior = functools.partial(layers.PoincareNormal, curvature=curvature)
    prior = priors.WrappedNormal(curvature=curvature, scale=prior_scale)
    return vae(
        event_shape, latent_dim, network=(down, up), posterior=posterior, prior=prior, **options
    )
