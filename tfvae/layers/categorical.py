"""Categorical distributions over integer levels, such as the 256 of an 8-bit image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers.base import DistributionLayer, levels_of
from tfvae.layers.levels_categorical import LevelsCategorical
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["IndependentCategorical"]


@keras.saving.register_keras_serializable(package="tfvae")
class IndependentCategorical(DistributionLayer):
    """Independent categoricals for discrete levels: p(x) = Π_j softmax(l_j)[x_j].

    The data hold the levels 0 .. levels − 1, as integers or floats; `mean` is Σ_k k p_k, in
    levels. The most flexible likelihood of an 8-bit pixel, at 256 parameters for each; it does
    not know that neighbouring levels are alike (`DiscretizedLogistic` does).

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        levels: Number of levels, 256 by default.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = IndependentCategorical((8, 8, 1), levels=16)
        >>> p = layer(tf.zeros([5, layer.params_size]))
        >>> p.log_prob(tf.fill([5, 8, 8, 1], 15.0)).shape
        TensorShape([5])

    References:
        van den Oord, Kalchbrenner, Kavukcuoglu, "Pixel Recurrent Neural Networks", 2016,
        section 3.1.
    """

    values = "levels"

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        levels: int = 256,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        self.levels = self.params_per_element = levels_of(levels)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the categoricals of `[*batch, params_size]` logits, those of a pixel together."""
        return self.independent(
            LevelsCategorical(self.per_element(params), validate_args=self.validate_args)
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "levels": self.levels}
