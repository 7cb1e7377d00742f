"""Poisson distributions whose elements are independent."""

from __future__ import annotations

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.outside import are_counts, zero_outside
from tfvae.layers.base import DistributionLayer

tfd = tfp.distributions

__all__ = ["IndependentPoisson", "Poisson"]


class Poisson(tfd.Poisson):
    """The Poisson distribution, with a density of 0 outside of the integers from 0.

    tfp's goes on between the integers.

    Args:
        log_rate: log λ, any shape.
        validate_args: Whether tfp checks values at run time.
        name: Name of the distribution.
    """

    def __init__(self, log_rate, validate_args=False, name="Poisson"):
        parameters = dict(locals())
        super().__init__(log_rate=log_rate, validate_args=validate_args, name=name)
        self._parameters = parameters

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {"log_rate": tfp.util.ParameterProperties()}

    def _log_prob(self, x):
        return zero_outside(are_counts(x), x, 0, super()._log_prob)


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
        return self.independent(Poisson(log_rate, validate_args=self.validate_args))
