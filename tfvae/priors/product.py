"""A prior of several kinds of latent variables."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import tensorflow_probability as tfp

from tfvae.distributions.product import Product
from tfvae.errors import UserError
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior
from tfvae.priors.fixed import Fixed

tfd = tfp.distributions

__all__ = ["ProductPrior"]


@keras.saving.register_keras_serializable(package="tfvae")
class ProductPrior(Prior):
    """p(z) = Π_i p_i(z_i): the prior beside `tfvae.layers.Product`.

    Args:
        parts: A prior for each part, which knows the shape of its z_i, such as
            `StandardNormal(10)`; or a `tfd.Distribution`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> discrete = tfd.OneHotCategorical(tf.zeros(3), dtype=tf.float32)
        >>> prior = ProductPrior([StandardNormal(2), discrete])
        >>> prior().event_shape
        TensorShape([5])

    References:
        Dupont, "Learning Disentangled Joint Continuous and Discrete Representations", 2018,
        Section 3.
    """

    def __init__(self, parts: Sequence[Prior | tfd.Distribution], **kwargs: Unpack[LayerOptions]):
        parts = [Fixed(part) if isinstance(part, tfd.Distribution) else part for part in parts]
        if not parts or not all(isinstance(part, Prior) for part in parts):
            raise UserError(f"parts takes priors, one or more, got {parts!r}")
        for part in parts:
            if part.event_shape is None:
                raise UserError(
                    f"{type(part).__name__} as a part does not know the shape of its z: give it "
                    "event_shape"
                )
        super().__init__(sum(math.prod(part.event_shape) for part in parts), **kwargs)
        self.parts = parts

    def build(self, event_shape=None, data_shape=None):
        """Makes the weights of every part."""
        super().build(event_shape, data_shape)
        for part in self.parts:
            if not part.built:
                part.build(part.event_shape, data_shape)

    def call(self, context=None) -> tfd.Distribution:
        """Makes the product; a part that depends on a context gets it."""
        return Product([part(context=context) for part in self.parts])

    def adapt(self, batches) -> None:
        """Lets every part look at the data."""
        for part in self.parts:
            part.adapt(batches)

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        config.pop("event_shape")
        parts = [keras.saving.serialize_keras_object(part) for part in self.parts]
        return {**config, "parts": parts}

    @classmethod
    def from_config(cls, config: dict) -> ProductPrior:
        """Makes the prior of its configuration."""
        parts = [keras.saving.deserialize_keras_object(part) for part in config["parts"]]
        return cls(**{**config, "parts": parts})
