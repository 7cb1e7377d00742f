"""Ordered levels: a location on a line that learned cutpoints divide."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers.base import DistributionLayer, levels_of
from tfvae.layers.levels_categorical import LevelsCategorical
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["IndependentOrdinal"]


@keras.saving.register_keras_serializable(package="tfvae")
class IndependentOrdinal(DistributionLayer):
    """Independent ordinal levels, the proportional odds: P(x_j ≤ k) = σ(c_k − η_j).

    For ratings and grades: levels in an order, whose distances nobody knows. The layer takes one
    number of each element, η. The cutpoints c_0 < … < c_{K−2} are weights, shared by all elements;
    at the start all levels are equally likely at η = 0.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        levels: Number of levels K; the data hold 0 .. K − 1.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = IndependentOrdinal(2, levels=5)
        >>> layer(tf.zeros([3, layer.params_size])).log_prob(tf.ones([3, 2])).numpy().round(2)
        array([-3.22, -3.22, -3.22], dtype=float32)

    References:
        McCullagh, "Regression Models for Ordinal Data", 1980, Eq. 1.1-1.2.
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
        self.levels = levels_of(levels)

    def build(self, input_shape):
        """Makes the cutpoints: the lowest one, and the logarithms of the distances."""
        super().build(input_shape)
        shares = np.arange(1, self.levels) / self.levels
        cutpoints = np.log(shares / (1 - shares))
        start = np.concatenate([cutpoints[:1], np.log(np.diff(cutpoints))])
        self.raw_cutpoints = self.add_weight(
            shape=(self.levels - 1,),
            initializer=keras.initializers.Constant(start),
            name="raw_cutpoints",
        )

    @property
    def cutpoints(self) -> tf.Tensor:
        """The cutpoints c, `[levels − 1]`, increasing."""
        raw = tf.convert_to_tensor(self.raw_cutpoints)
        return tf.cumsum(tf.concat([raw[:1], tf.exp(raw[1:])], axis=0))

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the ordinal distributions of `[*batch, params_size]` locations."""
        (loc,) = self.split(params)
        above = self.cutpoints - loc[..., tf.newaxis]  # log odds of x ≤ k, and below of x ≤ k − 1
        distances = tf.exp(tf.convert_to_tensor(self.raw_cutpoints)[1:])
        # σ(a) − σ(b) = σ(a) σ(−b) (1 − e^{b−a}), none of which cancels.
        between = (
            tf.math.log_sigmoid(above[..., 1:])
            + tf.math.log_sigmoid(-above[..., :-1])
            + tf.math.log(-tf.math.expm1(-distances))
        )
        first, last = tf.math.log_sigmoid(above[..., :1]), tf.math.log_sigmoid(-above[..., -1:])
        log_p = tf.concat([first, between, last], axis=-1)
        return self.independent(LevelsCategorical(log_p, validate_args=self.validate_args))

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "levels": self.levels}
