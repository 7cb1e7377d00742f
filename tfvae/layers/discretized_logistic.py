"""Discretized logistic distributions over integer levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers.base import DistributionLayer, levels_of, min_scale_of, positive
from tfvae.layers.levels_logistic import LevelsLogistic
from tfvae.options.bounds import Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["DiscretizedLogistic"]


@keras.saving.register_keras_serializable(package="tfvae")
class DiscretizedLogistic(DistributionLayer):
    """Independent discretized logistics: P(x_j = k) = F_j(k + ½) − F_j(k − ½), open at the ends.

    A proper likelihood of 8-bit grey values and colours with two parameters for each: the data
    hold the levels 0 .. levels − 1. The first parameter is μ on [−1, 1], the second gives the
    scale, s = softplus(raw) + min_scale in the same units.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether values are checked at run time.
        levels: Number of levels, 256 by default.
        min_scale: The smallest s; 1e-3 is an eighth of a level of 256.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = DiscretizedLogistic((28, 28, 1))
        >>> p = layer(tf.zeros([5, layer.params_size]))
        >>> p.log_prob(tf.fill([5, 28, 28, 1], 255.0)).shape
        TensorShape([5])

    References:
        Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow", 2016,
        section 5.1. Salimans et al., "PixelCNN++", 2017, equation 2.
    """

    values = "levels"
    params_per_element = 2

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        levels: int = 256,
        min_scale: Positive = 1e-3,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        self.levels = levels_of(levels)
        self.min_scale = min_scale_of(min_scale)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the discretized logistics of `[*batch, params_size]` parameters."""
        loc, raw = self.split(params)
        return self.independent(
            LevelsLogistic(
                loc,
                positive(raw, self.min_scale),
                levels=self.levels,
                validate_args=self.validate_args,
            )
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "levels": self.levels, "min_scale": self.min_scale}
