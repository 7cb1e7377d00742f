"""Posteriors that a flow makes flexible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tfvae import layers
from tfvae.errors import unknown_name
from tfvae.options.bounds import Count, Depth, Widths
from tfvae.recipes.extending import extends
from tfvae.recipes.flat import vae
from tfvae.vae import VAE

__all__ = ["planar_vae", "spline_vae", "sylvester_vae"]


@extends(vae, fixes=("posterior",))
def planar_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    flow: Literal["planar", "radial"] = "planar",
    flow_steps: Depth = 8,
    **options,
) -> VAE:
    """The VAE whose posterior is a planar flow, or a radial one.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        flow: `"planar"` or `"radial"`.
        flow_steps: Steps of the flow.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    Raises:
        UnknownNameError: If the flow is another one.

    References:
        Rezende and Mohamed, "Variational Inference with Normalizing Flows", 2015, Eq. 10-15.
    """
    flows = {"planar": layers.PlanarFlow, "radial": layers.RadialFlow}
    if flow not in flows:
        raise unknown_name("flow", flow, flows)
    posterior = flows[flow](latent_dim, steps=flow_steps)
    return vae(event_shape, latent_dim, posterior=posterior, **options)


@extends(vae, fixes=("posterior",))
def sylvester_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    rotation: Literal["orthogonal", "householder", "triangular"] = "orthogonal",
    flow_steps: Depth = 4,
    **options,
) -> VAE:
    """The VAE whose posterior is a Sylvester flow.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        rotation: `"orthogonal"`, `"householder"` or `"triangular"`, see `SylvesterFlow`.
        flow_steps: Steps of the flow.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        van den Berg et al., "Sylvester Normalizing Flows for Variational Inference", 2018.
    """
    posterior = layers.SylvesterFlow(latent_dim, rotation=rotation, steps=flow_steps)
    return vae(event_shape, latent_dim, posterior=posterior, **options)


@extends(vae, fixes=("posterior",))
def spline_vae(
    event_shape: Sequence[int],
    latent_dim: Count = 16,
    *,
    flow_steps: Depth = 4,
    flow_hidden: Widths = (128,),
    flow_context: Count = 64,
    bins: Count = 8,
    **options,
) -> VAE:
    """The VAE whose posterior is a neural spline flow.

    Args:
        event_shape: Shape of one example, channels last.
        latent_dim: Number of latent variables.
        flow_steps: Couplings of the flow.
        flow_hidden: Units of the network of each coupling.
        flow_context: Size of what each coupling sees of the encoder.
        bins: Bins of each spline.
        **options: Further arguments of `vae`.

    Returns:
        The model, uncompiled.

    References:
        Durkan, Bekasov, Murray, Papamakarios, "Neural Spline Flows", 2019, Section 5.2.
    """
    posterior = layers.SplineCouplingFlow(
        latent_dim, steps=flow_steps, hidden=flow_hidden, context_size=flow_context, bins=bins
    )
    return vae(event_shape, latent_dim, posterior=posterior, **options)
