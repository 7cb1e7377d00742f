"""A prior of codes on another scale than its own."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = ["Standardized"]

NARROWEST = 1e-6  # of the widest element's scale: one that all codes share has none of its own


@keras.saving.register_keras_serializable(package="tfvae")
class Standardized(Prior):
    """z = m + s u, u ~ a prior: log p(z) = log p_u((z − m) / s) − Σ_j log s_j.

    `fit` sets m and s to the mean and the standard deviation of each element of the codes, and fits
    the prior inside to what is left. A network learns numbers around 1 best, and codes may have
    any scale: that of an element which the decoder does not use is near 0 where they are means.
    m and s are not trained with the model.

    Args:
        prior: The prior of u.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> prior = Standardized(tfvae.priors.RealNVP(2, [8]))
        >>> prior.fit(np.random.default_rng(0).normal(3.0, 0.1, [100, 2]), steps=10)
        >>> prior.loc.numpy().round()
        array([3., 3.], dtype=float32)

    References:
        LeCun et al., "Efficient BackProp", 1998, Section 4.3 (normalized inputs).
    """

    def __init__(self, prior: Prior, **kwargs: Unpack[LayerOptions]):
        if not isinstance(prior, Prior):
            raise UserError(f"prior takes a tfvae.priors.Prior, got {prior!r}")
        super().__init__(prior.event_shape, **kwargs)
        self.prior = prior

    def build(self, event_shape=None, data_shape=None):
        """Makes m and s, at the start 0 and 1, and the weights of the prior of u."""
        super().build(event_shape, data_shape)
        given = {"shape": self.event_shape, "initializer": "zeros", "trainable": False}
        self.loc = self.add_weight(**given, name="loc")
        self.log_scale = self.add_weight(**given, name="log_scale")
        if not self.prior.built:
            self.prior.build(self.event_shape, data_shape)

    def call(self, context=None) -> tfd.Distribution:
        """Makes the distribution of z."""
        scale = tf.exp(tf.convert_to_tensor(self.log_scale))
        shift = tfb.Shift(tf.convert_to_tensor(self.loc))
        moved = tfb.Chain([shift, tfb.Scale(scale)])
        return tfd.TransformedDistribution(self.prior(context=context), moved)

    def fit(self, z: np.ndarray, examples: np.ndarray | None = None, **options) -> None:
        """Sets m and s, and fits the prior of u.

        Args:
            z: Codes, `[N, *event]`.
            examples: As in `Prior.fit`.
            **options: Arguments of the inner prior's `fit`.
        """
        if not self.built:
            self.build(z.shape[1:])
        z = np.asarray(z, np.float64)
        scale = z.std(axis=0)
        if not scale.max() > 0:
            raise UserError("all codes are the same point, which has no density: train the model")
        scale = np.maximum(scale, NARROWEST * scale.max())
        self.loc.assign(z.mean(axis=0))
        self.log_scale.assign(np.log(scale))
        self.prior.fit((z - z.mean(axis=0)) / scale, examples, **options)

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        config.pop("event_shape")
        return {**config, "prior": keras.saving.serialize_keras_object(self.prior)}

    @classmethod
    def from_config(cls, config: dict) -> Standardized:
        """Makes the prior of its configuration."""
        return cls(**{**config, "prior": keras.saving.deserialize_keras_object(config["prior"])})
