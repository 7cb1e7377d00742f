"""Mixtures of one-hot categoricals."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers.mixture import Mixture, MixtureSameFamily
from tfvae.layers.one_hot_categorical import OneHotCategorical
from tfvae.options.bounds import Count
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["CategoricalMixtureOfOneHotCategorical", "MixtureOfOneHot"]


class MixtureOfOneHot(Mixture):
    """A mixture of one-hot categoricals, which is a categorical itself: its mean is exact."""

    def log_mean(self) -> tf.Tensor:
        """Logarithm of the mean, log Σ_k π_k p_k, `[*batch, categories]`."""
        weights = tf.math.log_softmax(self.mixture_distribution.logits_parameter())
        logits = tf.math.log_softmax(self.components_distribution.logits_parameter())
        return tf.reduce_logsumexp(weights[..., tf.newaxis] + logits, axis=-2)

    def _mean(self):
        return tf.exp(self.log_mean())

    def _mode(self):
        log_mean = self.log_mean()
        return tf.one_hot(tf.argmax(log_mean, axis=-1), log_mean.shape[-1], dtype=self.dtype)


@keras.saving.register_keras_serializable(package="tfvae")
class CategoricalMixtureOfOneHotCategorical(MixtureSameFamily):
    """A mixture of one-hot categoricals: p(e_j) = Σ_k π_k softmax(l_k)_j.

    Args:
        event_size: Number of categories d.
        num_components: Number of components K; the layer takes K(1 + d) parameters.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        sample_dtype: Data type of the samples; that of the logits by default.
        validate_args: Whether tfp checks values at run time.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = CategoricalMixtureOfOneHotCategorical(3, 2)
        >>> layer(tf.zeros([5, layer.params_size])).log_mean().shape
        TensorShape([5, 3])
    """

    event_argument = "event_size"
    roles = ("likelihood",)

    def __init__(
        self,
        event_size: int,
        num_components: Count,
        convert_to_tensor_fn: str | Callable = "sample",
        sample_dtype: str | None = None,
        validate_args: bool = False,
        **kwargs: Unpack[LayerOptions],
    ):
        component = OneHotCategorical(
            event_size, sample_dtype=sample_dtype, dtype=kwargs.get("dtype")
        )
        super().__init__(num_components, component, convert_to_tensor_fn, validate_args, **kwargs)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the mixture of `[*batch, params_size]` parameters."""
        return MixtureOfOneHot(*self.parts(params))

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        del config["component_layer"], config["reparameterize"]
        return {**config, "sample_dtype": self.component_layer.sample_dtype}
