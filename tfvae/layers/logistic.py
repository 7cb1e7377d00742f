"""Logistic distributions whose elements are independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers.base import DistributionLayer, min_scale_of, positive
from tfvae.options.bounds import Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["IndependentLogistic"]


@keras.saving.register_keras_serializable(package="tfvae")
class IndependentLogistic(DistributionLayer):
    """Independent logistics: p(x) = Π_j σ'((x_j − μ_j)/s_j) / s_j.

    Of each element the layer takes μ and raw, s = softplus(raw) + min_scale. For integer levels
    `DiscretizedLogistic` is the proper likelihood.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        min_scale: The smallest s: the density is unbounded as s → 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = IndependentLogistic(2)
        >>> layer(tf.zeros([5, layer.params_size])).event_shape
        TensorShape([2])
    """

    params_per_element = 2
    roles = ("posterior", "likelihood")

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        min_scale: Positive = 1e-3,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        self.min_scale = min_scale_of(min_scale)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the logistics of `[*batch, params_size]` parameters."""
        loc, raw = self.split(params)
        scale = positive(raw, self.min_scale)
        return self.independent(tfd.Logistic(loc, scale, validate_args=self.validate_args))

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "min_scale": self.min_scale}
