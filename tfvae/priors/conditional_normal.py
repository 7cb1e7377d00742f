"""A normal prior whose mean and scale depend on the context."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers.base import positive
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.conditional import ConditionalPrior

tfd = tfp.distributions

__all__ = ["ConditionalNormal"]

MIN_SCALE = 1e-3


@keras.saving.register_keras_serializable(package="tfvae")
class ConditionalNormal(ConditionalPrior):
    """p(z|c) = N(μ(c), σ(c)²): the prior of a conditional VAE.

    A linear layer makes mean and scale of what the conditioner makes of the context c. At the
    start p(z|c) is the standard normal for every c.

    Args:
        conditioner: Keras layer or model from the context to features `[batch, size]`, such as
            `keras.layers.CategoryEncoding(10, output_mode="one_hot")` for labels or
            `tfvae.networks.MLP([32])` for vectors.
        event_shape: Shape of z; None: learned from the posterior.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> one_hot = keras.layers.CategoryEncoding(10, output_mode="one_hot")
        >>> prior = ConditionalNormal(one_hot)
        >>> prior.build(2)
        >>> prior(context=tf.constant([3, 7])).batch_shape
        TensorShape([2])

    References:
        Sohn, Lee, Yan, "Learning Structured Output Representation using Deep Conditional
        Generative Models", 2015, Eq. 4 (the prior network).
    """

    def __init__(
        self,
        conditioner: keras.layers.Layer,
        *,
        event_shape: int | Sequence[int] | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, conditioner=conditioner, **kwargs)

    def build(self, event_shape=None, data_shape=None):
        """Makes the linear layers; their weights follow at the first context."""
        super().build(event_shape, data_shape)
        size = int(np.prod(self.event_shape, dtype=int))
        one = keras.initializers.Constant(math.log(math.expm1(1.0 - MIN_SCALE)))
        common = {"kernel_initializer": "zeros", "dtype": self.variable_dtype}
        self.loc = keras.layers.Dense(size, name="loc", **common)
        self.raw_scale = keras.layers.Dense(size, bias_initializer=one, name="scale", **common)

    def call(self, context=None) -> tfd.Distribution:
        """Makes the normals of a context `[batch, ...]`, batch shape `[batch]`."""
        vector = self.vector(context)
        loc, raw = (
            tf.reshape(linear(vector), [-1, *self.event_shape])
            for linear in (self.loc, self.raw_scale)
        )
        return tfd.Independent(tfd.Normal(loc, positive(raw, MIN_SCALE)), len(self.event_shape))
