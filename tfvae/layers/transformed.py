"""A distribution transformed by a bijector."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import concrete
from tfvae.distributions.outside import zero_outside
from tfvae.distributions.variables import refuse_untracked
from tfvae.errors import UserError
from tfvae.layers.base import DistributionLayer
from tfvae.layers.tfp_objects import deserialize_tfp, serialize_tfp
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["TransformedDistribution"]


class Transformed(tfd.TransformedDistribution):
    """tfp's transformed distribution, with a density of 0 off the bijector's range.

    There the inverse is not finite, and tfp's density NaN.

    Args:
        distribution: That of x.
        bijector: f, without trainable variables.
        validate_args: Whether tfp checks values at run time.
    """

    def _log_prob(self, y):
        # tfp caches the x that a draw was made of: a y that was rounded to an end stays right.
        x = self.bijector.inverse(y)
        event = list(range(-self.distribution.event_shape.rank, 0))
        inside = tf.reduce_all(tf.math.is_finite(x), axis=event)
        return zero_outside(inside, x, 1.0, self._log_density)

    def _log_density(self, x):
        rank = self.distribution.event_shape.rank
        jacobian = self.bijector.forward_log_det_jacobian(x, event_ndims=rank)
        return self.distribution.log_prob(x) - jacobian


@keras.saving.register_keras_serializable(package="tfvae")
class TransformedDistribution(DistributionLayer):
    """The distribution of y = f(x), x from another probability layer and f any bijector.

    p(y) = p_x(f⁻¹(y)) |det ∂f⁻¹/∂y|.

    Args:
        layer: Probability layer of x; the parameters are its parameters.
        bijector: A bijector of `tfp.bijectors` without trainable variables, or a function without
            arguments that makes one (registered, where the layer is to be saved).
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
            tfp knows the mean of few transformed distributions.
        validate_args: Whether tfp checks values at run time.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> log_normal = TransformedDistribution(IndependentNormal(2), tfp.bijectors.Exp())
        >>> log_normal(tf.zeros([5, log_normal.params_size])).event_shape
        TensorShape([2])
    """

    event_argument = None
    roles = ()

    def __init__(
        self,
        layer: DistributionLayer,
        bijector: tfp.bijectors.Bijector | Callable,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        **kwargs: Unpack[LayerOptions],
    ):
        if not isinstance(layer, DistributionLayer):
            raise UserError(f"layer takes a layer of tfvae.layers, got {type(layer).__name__}")
        if not callable(bijector):
            raise UserError(f"bijector takes a bijector or a function, got {bijector!r}")
        refuse_untracked("bijector", bijector)
        self._bijector = bijector
        event = self.bijector.forward_event_shape(layer.event_shape)
        super().__init__(tuple(event), convert_to_tensor_fn, validate_args, **kwargs)
        self.layer = layer

    @property
    def bijector(self) -> tfp.bijectors.Bijector:
        """The bijector f."""
        made = isinstance(self._bijector, tfp.bijectors.Bijector)
        return self._bijector if made else self._bijector()

    def count_params_size(self) -> int:
        """Number of parameters: those of the layer of x."""
        return self.layer.params_size

    def build(self, input_shape):
        """Builds the layer of x, which may have weights."""
        super().build(input_shape)
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.built = True

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Transforms the distribution that the layer of x makes."""
        return Transformed(
            concrete(self.layer.make_distribution(params)),
            self.bijector,
            validate_args=self.validate_args,
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        made = isinstance(self._bijector, tfp.bijectors.Bijector)
        save = serialize_tfp if made else keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "bijector": save(self._bijector),
        }

    @classmethod
    def from_config(cls, config: dict) -> TransformedDistribution:
        """Makes the layer of its configuration."""
        return super().from_config({**config, "bijector": deserialize_tfp(config["bijector"])})
