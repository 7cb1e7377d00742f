"""A mixture of normals as prior."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers.base import positive
from tfvae.options.bounds import Count, Positive
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior

tfd = tfp.distributions

__all__ = ["MixtureOfNormals"]


@keras.saving.register_keras_serializable(package="tfvae")
class MixtureOfNormals(Prior):
    """p(z) = Σ_k π_k Π_j N(z_j; μ_kj, σ_kj²), with weights, means and scales learned.

    KL(q ‖ p) has no closed form: it is estimated at the draws of z. At the start the weights are
    equal, the scales 1 and the means draws of a standard normal.

    Args:
        components: Number of components K.
        event_shape: Shape of z; None: learned from the posterior.
        min_scale: The smallest σ: the density is unbounded as σ → 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> prior = MixtureOfNormals(components=5)
        >>> prior.build(2)
        >>> prior().log_prob(tf.zeros([7, 2])).shape
        TensorShape([7])

    References:
        Dilokthanakul et al., "Deep Unsupervised Clustering with Gaussian Mixture Variational
        Autoencoders", 2016.
        Tomczak and Welling, "VAE with a VampPrior", 2018, Section 4 (the MoG prior).
    """

    def __init__(
        self,
        components: Count = 10,
        *,
        event_shape: int | Sequence[int] | None = None,
        min_scale: Positive = 1e-2,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, **kwargs)
        if components != int(components) or components < 1:
            raise UserError(f"components takes an integer from 1, got {components!r}")
        if not 0 < min_scale < 1:
            raise UserError(f"min_scale takes a number between 0 and 1, got {min_scale!r}")
        self.components = int(components)
        self.min_scale = min_scale

    def build(self, event_shape=None, data_shape=None):
        """Makes weights, means and scales."""
        super().build(event_shape, data_shape)
        shape = (self.components, *self.event_shape)
        one = keras.initializers.Constant(math.log(math.expm1(1.0 - self.min_scale)))
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.loc = self.add_weight(shape=shape, initializer=normal, name="loc")
        self.raw_scale = self.add_weight(shape=shape, initializer=one, name="raw_scale")
        self.logits = self.add_weight(shape=shape[:1], initializer="zeros", name="logits")

    def call(self, context=None) -> tfd.Distribution:
        """Makes the mixture, batch shape `[]`; a context does not change it."""
        scale = positive(tf.convert_to_tensor(self.raw_scale), self.min_scale)
        normal = tfd.Normal(tf.convert_to_tensor(self.loc), scale)
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=tf.convert_to_tensor(self.logits)),
            tfd.Independent(normal, len(self.event_shape)),
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "components": self.components,
            "min_scale": self.min_scale,
        }
