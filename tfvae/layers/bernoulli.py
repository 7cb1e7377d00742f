"""Bernoulli distributions whose elements are independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers.base import DistributionLayer

tfd = tfp.distributions

__all__ = ["IndependentBernoulli"]


@keras.saving.register_keras_serializable(package="tfvae")
class IndependentBernoulli(DistributionLayer):
    """Independent Bernoullis for binary data: p(x) = Π_j π_j^x_j (1 − π_j)^(1 − x_j).

    The parameters are logits, log π / (1 − π). Grey values in [0, 1] are outside the support:
    binarize them, or use `IndependentContinuousBernoulli`.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        sample_dtype: Data type of the samples; that of the logits by default.
        validate_args: Whether tfp checks values at run time.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = IndependentBernoulli((28, 28, 1))
        >>> p = layer(tf.zeros([5, layer.params_size]))
        >>> p.log_prob(tf.ones([5, 28, 28, 1])).shape
        TensorShape([5])
    """

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        sample_dtype: str | None = None,
        validate_args: bool = False,
        **kwargs,
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        self.sample_dtype = sample_dtype and tf.as_dtype(sample_dtype).name

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the Bernoullis of `[*batch, params_size]` logits."""
        (logits,) = self.split(params)
        return self.independent(
            tfd.Bernoulli(
                logits=logits,
                dtype=self.sample_dtype or logits.dtype,
                validate_args=self.validate_args,
            )
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "sample_dtype": self.sample_dtype}
