"""Poisson distributions whose elements are independent."""

from __future__ import annotations

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers.base import DistributionLayer

tfd = tfp.distributions

__all__ = ["IndependentPoisson"]


@keras.saving.register_keras_serializable(package="tfvae")
class IndependentPoisson(DistributionLayer):
    """Independent Poissons for counts: p(x) = Π_j λ_j^x_j e^{−λ_j} / x_j!.

    The parameters are log λ. Counts that vary more than their mean are for
    `IndependentNegativeBinomial`.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = IndependentPoisson(2)
        >>> layer(tf.zeros([5, layer.params_size])).mean().numpy().max()
        np.float32(1.0)
    """

    values = "levels"

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the Poissons of `[*batch, params_size]` logarithms of rates."""
        (log_rate,) = self.split(params)
        return self.independent(tfd.Poisson(log_rate=log_rate, validate_args=self.validate_args))
