"""Distributions at a temperature."""

from __future__ import annotations

import tensorflow_probability as tfp

from tfvae.distributions.batch_axes import Unfolded
from tfvae.distributions.product import Product
from tfvae.errors import UserError

tfd = tfp.distributions

__all__ = ["tempered"]


def tempered(distribution: tfd.Distribution, temperature: float) -> tfd.Distribution:
    """Scales the noise that a distribution is made of.

    A normal keeps its mean, its standard deviation is multiplied by `temperature`; a categorical
    distribution's logits, to which Gumbel noise is added, are divided by it; a mixture has its
    components tempered, a transformed distribution its base.

    Args:
        distribution: Normals, mixtures and transformations of them, categorical distributions.
        temperature: Factor of the noise; 1: as it is.

    Returns:
        A distribution of the same batch and event shape.

    Raises:
        UserError: If the distribution is of another kind.

    Example:
        >>> float(tempered(tfd.Normal(1.0, 2.0), 0.5).stddev())
        1.0

    References:
        Kingma and Dhariwal, "Glow: Generative Flow with Invertible 1x1 Convolutions", 2018,
        Section 6.
    """
    if isinstance(temperature, (int, float)) and temperature == 1:
        return distribution
    if isinstance(distribution, tfd.Normal):
        return tfd.Normal(distribution.loc, distribution.scale * temperature)
    if isinstance(distribution, tfd.Categorical):
        return tfd.Categorical(distribution.logits_parameter() / max(temperature, 1e-6))
    if isinstance(distribution, tfd.MultivariateNormalLinearOperator):
        scale = distribution.scale.to_dense() * temperature
        return tfd.MultivariateNormalTriL(distribution.loc, scale)
    if hasattr(distribution, "at_temperature"):
        return distribution.at_temperature(temperature)
    # By attribute: tfp makes one of two classes for each of these wrappers.
    if hasattr(distribution, "components_distribution"):
        return tfd.MixtureSameFamily(
            distribution.mixture_distribution,
            tempered(distribution.components_distribution, temperature),
        )
    if hasattr(distribution, "reinterpreted_batch_ndims"):
        ndims = distribution.reinterpreted_batch_ndims
        return tfd.Independent(tempered(distribution.distribution, temperature), ndims)
    if hasattr(distribution, "bijector"):
        base = tempered(distribution.distribution, temperature)
        return tfd.TransformedDistribution(base, distribution.bijector)
    if isinstance(distribution, Product):
        return Product([tempered(part, temperature) for part in distribution.parts])
    if isinstance(distribution, Unfolded):
        base = tempered(distribution.distribution, temperature)
        return Unfolded(base, distribution.batch_shape_tensor())
    raise UserError(f"{distribution.name} has no temperature: leave it at 1")
