"""The encoder: q(z|x)."""

from __future__ import annotations

import keras

from tfvae.networks.conditional import ConditionalNetwork

__all__ = ["Encoder"]


@keras.saving.register_keras_serializable(package="tfvae")
class Encoder(ConditionalNetwork):
    """The approximate posterior q(z|x), or q(z|x, c): trunk, projection, head.

    Args:
        trunk: Keras layer from x (and the conditioner's vector) to features.
        head: Layer of `tfvae.layers` whose events are the latent variables.
        conditioner: Keras layer from the context to a vector, for a conditional model.
        **kwargs: Arguments of `keras.Model`.

    Example:
        >>> encoder = Encoder(tfvae.networks.MLP([200, 200]), tfvae.layers.IndependentNormal(50))
        >>> encoder(tf.zeros([4, 28, 28, 1])).event_shape
        TensorShape([50])

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, Section 3.
    """
