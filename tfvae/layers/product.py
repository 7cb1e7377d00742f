"""A posterior of several kinds of latent variables."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.product import Product as ProductDistribution
from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["Product"]


@keras.saving.register_keras_serializable(package="tfvae")
class Product(DistributionLayer):
    """q(z|x) = Π_i q_i(z_i|x): continuous and discrete latent variables in one vector.

    z is the z_i one behind the other, each flat, and the parameters are those of the parts in the
    same order. The prior is `tfvae.priors.ProductPrior`, of a prior for each part.

    Args:
        parts: Probability layers, such as `IndependentNormal(10)` and
            `RelaxedOneHotCategorical(10, straight_through=True)`.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time: each part has its own.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = Product([IndependentNormal(2), RelaxedOneHotCategorical(3)])
        >>> layer.params_size
        7
        >>> layer(tf.zeros([4, 7])).event_shape
        TensorShape([5])

    References:
        Dupont, "Learning Disentangled Joint Continuous and Discrete Representations", 2018,
        Section 3.
    """

    event_argument = None
    roles = ()

    def __init__(
        self,
        parts: Sequence[DistributionLayer],
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        **kwargs: Unpack[LayerOptions],
    ):
        parts = list(parts)
        if not parts or not all(isinstance(part, DistributionLayer) for part in parts):
            raise UserError(f"parts takes layers of tfvae.layers, one or more, got {parts!r}")
        size = sum(math.prod(part.event_shape) for part in parts)
        super().__init__((size,), convert_to_tensor_fn, validate_args, **kwargs)
        self.parts = parts

    def count_params_size(self) -> int:
        """Number of parameters that one event takes: those of all parts."""
        return sum(part.params_size for part in self.parts)

    def build(self, input_shape):
        """Builds every part."""
        super().build(input_shape)
        for part in self.parts:
            if not part.built:
                part.build((*input_shape[:-1], part.params_size))

    def advance(self, training: bool | None) -> None:
        """Counts a training step in every part."""
        super().advance(training)
        for part in self.parts:
            part.advance(training)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the product of `[*batch, params_size]` parameters."""
        sizes = [part.params_size for part in self.parts]
        pieces = tf.split(self.flat(params), sizes, axis=-1)
        made = [p.make_distribution(piece) for p, piece in zip(self.parts, pieces, strict=True)]
        return ProductDistribution(made)

    def get_config(self) -> dict:
        """Configuration for saving."""
        parts = [keras.saving.serialize_keras_object(part) for part in self.parts]
        return {**super().get_config(), "parts": parts}

    @classmethod
    def from_config(cls, config: dict) -> Product:
        """Makes the layer of its configuration."""
        parts = [keras.saving.deserialize_keras_object(part) for part in config["parts"]]
        return super().from_config({**config, "parts": parts})
