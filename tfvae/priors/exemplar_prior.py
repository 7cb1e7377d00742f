"""A prior made of the posteriors' means at examples: the exemplar prior."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.data.batches import unpack
from tfvae.distributions.moments import mean_of
from tfvae.errors import UserError
from tfvae.layers.sizes import count_of
from tfvae.options.bounds import Count
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior
from tfvae.priors.exemplars import NormalsAround

tfd = tfp.distributions

__all__ = ["ExemplarPrior"]


@keras.saving.register_keras_serializable(package="tfvae")
class ExemplarPrior(Prior):
    """p(z) = 1/N Σ_n N(z; μ(x_n), σ² I): normals around the codes of examples, of one learned σ.

    μ(x_n) is the mean of q(z|x_n). A training step leaves each example out of its own prior, for
    which it would be the best exemplar: p(z_i) = 1/(B − 1) Σ_{j≠i} N(z_i; μ(x_j), σ² I), over the
    others of the batch, which are a new subsample of the training data in each step. The larger
    the batch, the better; of several replicas, each has its part. An example that is alone in its
    batch is its own exemplar.

    Everywhere else the exemplars are N examples that `adapt` has stored, which a model has to be
    shown once, `vae.latents.adapt(train)`; `tfvae-train` does it. They are encoded once in a call,
    whatever the number of samples. Evaluated on them, a model has a prior that knows the answer:
    its ELBO of training data is too high.

    Args:
        exemplars: N; fewer examples are repeated.
        neighbours: k: a density is summed over the k codes nearest to z alone, a lower bound of it
            that is close where σ is small; None: over all.
        event_shape: Shape of z; None: learned from the posterior.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> model = tfvae.recipes.vae((8, 8, 1), 2, prior=ExemplarPrior(50, neighbours=10))
        >>> model.build((None, 8, 8, 1))
        >>> model.latents.adapt(train)
        >>> model.prior().log_prob(tf.zeros([7, 2])).shape
        TensorShape([7])

    References:
        Norouzi, Fleet, Norouzi, "Exemplar VAE: Linking Generative Models, Nearest Neighbor
        Retrieval, and Data Augmentation", 2020, Eq. 6-9.
    """

    def __init__(
        self,
        exemplars: Count = 1000,
        neighbours: Count | None = None,
        *,
        event_shape: int | Sequence[int] | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, **kwargs)
        self.exemplars = count_of("exemplars", exemplars)
        self.neighbours = neighbours and count_of("neighbours", neighbours)
        self._encode = None

    def build(self, event_shape=None, data_shape=None):
        """Makes σ, 1 at the start, and places for the exemplars."""
        super().build(event_shape, data_shape)
        if data_shape is None:
            raise UserError("an ExemplarPrior is built with the data's shape: let the VAE build it")
        if len(self.event_shape) != 1:
            raise UserError(
                f"ExemplarPrior is a prior of vectors, and z has the shape {self.event_shape}"
            )
        # Read outside of the layer's own call as well, where Keras would cast it.
        self.log_scale = self.add_weight(
            shape=(), initializer="zeros", autocast=False, name="log_scale"
        )
        self.examples = self.add_weight(
            shape=(self.exemplars, *data_shape),
            initializer="zeros",
            trainable=False,
            name="examples",
        )

    def connect(self, encode: Callable[..., tfd.Distribution]) -> None:
        """Keeps the encoder of the model that the prior is given to; there can be only one."""
        if self._encode is not None:
            raise UserError(
                f"{self.name} is made of the posteriors of another model: give each model an "
                "ExemplarPrior of its own"
            )
        self._encode = encode

    def adapt(self, batches: Iterable) -> None:
        """Stores the first N examples of the data.

        Args:
            batches: Batches of x or of (x, context), such as a data set.

        Raises:
            UserError: If there are no examples.
        """
        found, seen = [], 0
        for batch in batches:
            found.append(unpack(batch)[0].numpy()[: self.exemplars - seen])
            seen += len(found[-1])
            if seen == self.exemplars:
                break
        if not seen:
            raise UserError("there is no example to store: the data set is empty")
        self.examples.assign(np.resize(np.concatenate(found), self.examples.shape))

    def call(self, context=None) -> tfd.Distribution:
        """Makes the mixture around the stored exemplars, batch shape `[]`."""
        if self._encode is None:
            raise UserError("an ExemplarPrior is made of posteriors: give it to a VAE as its prior")
        if context is not None:
            raise UserError(
                "an ExemplarPrior has exemplars without a context: take conditional_vae with "
                "another prior, such as vamp_prior"
            )
        loc = mean_of(self._encode(tf.convert_to_tensor(self.examples)))
        return self._around(loc)

    def in_training(
        self, posterior: tfd.Distribution, context=None, weights: tf.Tensor | None = None
    ) -> tfd.Distribution:
        """Makes the mixture around the other examples of the batch, batch shape `[batch]`.

        An example of weight w counts w times among the others; one of weight 0 is no exemplar.
        """
        if context is not None:
            return self(context=context)  # refused
        loc = mean_of(posterior)
        own = tf.eye(tf.shape(loc)[0], dtype=tf.bool)
        given = tf.zeros_like(loc[:, 0]) if weights is None else tf.math.log(weights)
        others = tf.where(own, -math.inf, tf.cast(given, loc.dtype))
        alone = tf.reduce_all(tf.math.is_inf(others), axis=-1, keepdims=True)
        itself = tf.where(own, tf.zeros([], loc.dtype), -math.inf)
        return self._around(loc, logits=tf.where(alone, itself, others))

    def _around(self, loc: tf.Tensor, **mixed) -> NormalsAround:
        scale = tf.exp(tf.convert_to_tensor(self.log_scale))
        return NormalsAround(loc, scale, neighbours=self.neighbours, **mixed)

    def get_config(self) -> dict:
        """Configuration for saving."""
        own = {"exemplars": self.exemplars, "neighbours": self.neighbours}
        return {**super().get_config(), **own}
