"""Beta distributions whose elements are independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.outside import zero_outside
from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer, positive
from tfvae.options.bounds import Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["IndependentBeta", "OpenBeta"]


class OpenBeta(tfd.Beta):
    """The beta distribution, with a density of 0 outside of the open interval from 0 to 1.

    At 0 and at 1 tfp's is infinite, zero or NaN, by the concentrations.

    Args:
        concentration1: a above 0, any shape.
        concentration0: b above 0, any shape.
        validate_args: Whether tfp checks values at run time.
        name: Name of the distribution.
    """

    def __init__(self, concentration1, concentration0, validate_args=False, name="Beta"):
        parameters = dict(locals())
        super().__init__(concentration1, concentration0, validate_args=validate_args, name=name)
        self._parameters = parameters

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        properties = super()._parameter_properties(dtype, num_classes)
        return {key: properties[key] for key in ("concentration1", "concentration0")}

    def _log_prob(self, x):
        return zero_outside((x > 0) & (x < 1), x, 0.5, super()._log_prob)


@keras.saving.register_keras_serializable(package="tfvae")
class IndependentBeta(DistributionLayer):
    """Independent betas: p(x) = Π_j x_j^{a_j − 1} (1 − x_j)^{b_j − 1} / B(a_j, b_j).

    For shares and rates inside of (0, 1); at 0 and 1 themselves there is no density, and data that
    hold them are refused (`IndependentContinuousBernoulli` takes them). Of each element the layer
    takes two raw numbers, a and b are softplus(raw) + min_concentration.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        min_concentration: The smallest a and b: below 1, the density is unbounded at an end.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = IndependentBeta(2)
        >>> layer(tf.zeros([5, layer.params_size])).mean().numpy()[0].tolist()
        [0.5, 0.5]

    References:
        Ferrari and Cribari-Neto, "Beta Regression for Modelling Rates and Proportions", 2004,
        Eq. 1.
    """

    params_per_element = 2

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        min_concentration: Positive = 1e-2,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        if not min_concentration > 0:
            raise UserError(f"min_concentration takes a number above 0, got {min_concentration!r}")
        self.min_concentration = min_concentration

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the betas of `[*batch, params_size]` parameters."""
        a, b = (positive(raw, self.min_concentration) for raw in self.split(params))
        return self.independent(OpenBeta(a, b, validate_args=self.validate_args))

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "min_concentration": self.min_concentration}
