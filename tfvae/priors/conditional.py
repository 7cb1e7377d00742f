"""The base of the priors that can depend on a context."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.networks.conditioning import vector_of
from tfvae.networks.shared_layers import serialize_shared
from tfvae.priors.base import Prior

__all__ = ["ConditionalPrior"]


class ConditionalPrior(Prior):
    """Base: p(z|c), through a vector that a conditioner makes of the context c.

    Args:
        event_shape: Shape of z; None: learned from the posterior.
        conditioner: Keras layer from the context to a vector `[batch, size]`, such as
            `keras.layers.CategoryEncoding(10, output_mode="one_hot")` for labels or
            `tfvae.networks.MLP([32])` for vectors; None: a context changes nothing.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int] | None = None,
        *,
        conditioner: keras.layers.Layer | None = None,
        **kwargs,
    ):
        super().__init__(event_shape, **kwargs)
        if not isinstance(conditioner, (keras.layers.Layer, type(None))):
            raise UserError(f"conditioner takes a Keras layer, got {conditioner!r}")
        self.conditioner = conditioner

    def vector(self, context: tf.Tensor | None) -> tf.Tensor | None:
        """The conditioner's vector of a context, in the prior's dtype.

        Args:
            context: `[batch, ...]`, or None.

        Returns:
            `[batch, size]`; None where there is no conditioner.

        Raises:
            UserError: If there is a conditioner and no context.
        """
        vector = vector_of(self.name, self.conditioner, context)
        return None if vector is None else tf.cast(vector, self.variable_dtype)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "conditioner": serialize_shared(self.conditioner)}

    @classmethod
    def from_config(cls, config: dict) -> ConditionalPrior:
        """Makes the prior of its configuration."""
        return cls(**keras.saving.deserialize_keras_object(config))
