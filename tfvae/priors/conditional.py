"""The base of the priors that can depend on a context."""

from __future__ import annotations

from tfvae.networks.conditioning import HasConditioner
from tfvae.priors.base import Prior

__all__ = ["ConditionalPrior"]


class ConditionalPrior(HasConditioner, Prior):
    """Base: p(z|c), through a vector that a conditioner makes of the context c.

    Args:
        event_shape: Shape of z; None: learned from the posterior.
        conditioner: Keras layer from the context to a vector `[batch, size]`.
        **kwargs: Arguments of `keras.layers.Layer`.
    """
