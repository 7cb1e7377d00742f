"""The deterministic pass from x upwards, whose features a hierarchy of latent variables takes."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfvae.networks.conditional import build_by_call
from tfvae.networks.conditioning import Conditioned
from tfvae.options.keywords import ModelOptions, Unpack

__all__ = ["BottomUp"]


@keras.saving.register_keras_serializable(package="tfvae")
class BottomUp(Conditioned):
    """d_1 = stage_1(x), d_l = stage_l(d_{l−1}): the features of all stages, the lowest first.

    The encoder of a model whose prior wants features instead of a distribution.

    Args:
        stages: Keras layers, each from the features of the one before it.
        conditioner: Keras layer from the context to a vector, for a conditional model; the
            vector joins the first stage's input.
        **kwargs: Arguments of `keras.Model`.

    Example:
        >>> encoder = BottomUp([tfvae.networks.MLP([64]), tfvae.networks.MLP([32])])
        >>> [d.shape[1] for d in encoder(tf.zeros([4, 28, 28, 1]))]
        [64, 32]

    References:
        Sønderby et al., "Ladder Variational Autoencoders", 2016, Section 2.1.
    """

    def __init__(
        self,
        stages: Sequence[keras.layers.Layer],
        *,
        conditioner: keras.layers.Layer | None = None,
        **kwargs: Unpack[ModelOptions],
    ):
        super().__init__(conditioner=conditioner, **kwargs)
        self.stages = list(stages)

    def build(self, inputs_shape, context_shape=None):
        """Makes all weights for inputs `[batch, *shape]` and a context `[batch, ...]`."""
        build_by_call(self.call, inputs_shape, context_shape)

    def call(self, inputs, context=None, training=False) -> tuple[tf.Tensor, ...]:
        """Returns the features of all stages, each `[batch, ...]`."""
        features = [self.conditioned(inputs, context)]
        for stage in self.stages:
            features.append(stage(features[-1], training=training))
        return tuple(features[1:])

    def get_config(self) -> dict:
        """Configuration for saving."""
        stages = [keras.saving.serialize_keras_object(stage) for stage in self.stages]
        return {**super().get_config(), "stages": stages}
