"""Categorical distributions over one-hot vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers.base import DistributionLayer
from tfvae.layers.exact_one_hot import ExactOneHot
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["OneHotCategorical"]


@keras.saving.register_keras_serializable(package="tfvae")
class OneHotCategorical(DistributionLayer):
    """A categorical over one-hot vectors, p(e_k) = softmax(l)_k, or a grid of them.

    Args:
        event_size: Number of categories d; or a shape `(..., d)` of independent one-hot vectors.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        sample_dtype: Data type of the samples; that of the logits by default.
        validate_args: Whether tfp checks values at run time.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = OneHotCategorical(4)
        >>> layer(tf.zeros([5, layer.params_size])).mean().numpy()[0].tolist()
        [0.25, 0.25, 0.25, 0.25]
    """

    event_argument = "event_size"

    def __init__(
        self,
        event_size: int | Sequence[int],
        convert_to_tensor_fn: str | Callable = "sample",
        sample_dtype: str | None = None,
        validate_args: bool = False,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_size, convert_to_tensor_fn, validate_args, **kwargs)
        self.sample_dtype = sample_dtype and tf.as_dtype(sample_dtype).name

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the categoricals of `[*batch, params_size]` logits."""
        (logits,) = self.split(params)
        one = ExactOneHot(
            logits=logits,
            dtype=self.sample_dtype or logits.dtype,
            validate_args=self.validate_args,
        )
        return self.independent(one) if len(self.event_shape) > 1 else one

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "sample_dtype": self.sample_dtype}
