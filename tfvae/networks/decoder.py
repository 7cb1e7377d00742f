"""The decoder: p(x|z)."""

from __future__ import annotations

import keras

from tfvae.networks.conditional import ConditionalNetwork

__all__ = ["Decoder"]


@keras.saving.register_keras_serializable(package="tfvae")
class Decoder(ConditionalNetwork):
    """The likelihood p(x|z), or p(x|z, c): trunk, projection, head.

    Args:
        trunk: Keras layer from z (and the conditioner's vector) to features.
        head: Layer of `tfvae.layers` whose events are the data.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        **kwargs: Arguments of `keras.Model`.

    Example:
        >>> head = tfvae.layers.IndependentBernoulli((28, 28, 1))
        >>> decoder = Decoder(tfvae.networks.MLP([200, 200]), head)
        >>> decoder(tf.zeros([4, 50])).log_prob(tf.ones([4, 28, 28, 1])).shape
        TensorShape([4])

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, Section 3.
    """
