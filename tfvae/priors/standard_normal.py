"""The standard normal prior."""

from __future__ import annotations

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.priors.base import Prior

tfd = tfp.distributions

__all__ = ["StandardNormal"]


@keras.saving.register_keras_serializable(package="tfvae")
class StandardNormal(Prior):
    """p(z) = N(0, I): the prior of the first VAE, without weights.

    Args:
        event_shape: Shape of z; None: learned from the posterior.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> round(float(StandardNormal(2)().log_prob([0.0, 0.0])), 4)
        -1.8379

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, Appendix B.
    """

    def call(self, context=None) -> tfd.Distribution:
        """Makes the distribution, batch shape `[]`; a context does not change it."""
        zeros = tf.zeros(self.event_shape, self.variable_dtype)
        return tfd.Independent(tfd.Normal(zeros, 1.0), len(self.event_shape))
