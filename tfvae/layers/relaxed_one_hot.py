"""Categorical distributions with a gradient: Gumbel-softmax."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.outside import zero_outside
from tfvae.layers.exact_one_hot import ExactOneHot
from tfvae.layers.relaxed import RelaxedLayer, exact_with_gradient_of
from tfvae.options.bounds import Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["RelaxedOneHotCategorical", "StraightThroughOneHot"]


class StraightThroughOneHot(ExactOneHot):
    """A one-hot categorical whose exact samples have the gradient of relaxed ones.

    Density, entropy and KL are the categorical's.

    Args:
        logits: `[..., categories]`.
        temperature: Temperature of the relaxation that lends its gradient.
        validate_args: Whether tfp checks values at run time.
        name: Name of the distribution.
    """

    def __init__(self, logits, temperature, validate_args=False, name="StraightThroughOneHot"):
        parameters = dict(locals())
        logits = tf.convert_to_tensor(logits)
        self._temperature = tf.convert_to_tensor(temperature, dtype=logits.dtype)
        super().__init__(logits=logits, dtype=logits.dtype, validate_args=validate_args, name=name)
        self._reparameterization_type = tfd.FULLY_REPARAMETERIZED
        self._parameters = parameters

    @property
    def temperature(self) -> tf.Tensor:
        """Temperature of the relaxation."""
        return self._temperature

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {
            "logits": tfp.util.ParameterProperties(event_ndims=1),
            "temperature": tfp.util.ParameterProperties(),
        }

    def _sample_n(self, n, seed=None):
        soft = tfd.RelaxedOneHotCategorical(self.temperature, logits=self.logits).sample(
            n, seed=seed
        )
        hard = tf.one_hot(tf.argmax(soft, axis=-1), soft.shape[-1], dtype=soft.dtype)
        return exact_with_gradient_of(soft, hard)


class OpenSimplex(tfd.RelaxedOneHotCategorical):
    """tfp's relaxed categorical, with a density of 0 off the open simplex, where tfp's is NaN.

    Args:
        temperature: τ.
        logits: `[..., categories]`.
        validate_args: Whether tfp checks values at run time.
        name: Name of the distribution.
    """

    def __init__(self, temperature, logits, validate_args=False, name="RelaxedOneHotCategorical"):
        parameters = dict(locals())
        super().__init__(temperature, logits=logits, validate_args=validate_args, name=name)
        self._parameters = parameters

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        properties = super()._parameter_properties(dtype, num_classes)
        return {key: value for key, value in properties.items() if key != "probs"}

    def _log_prob(self, y):
        # tfp caches the logarithm of a draw: a draw that was rounded to 0 still counts as inside.
        log = self.bijector.inverse(y)
        near = tf.abs(tf.reduce_sum(y, axis=-1) - 1) < 1e-3
        inside = near & tf.reduce_all(tf.math.is_finite(log), axis=-1)

        def log_density(log):
            return self.distribution.log_prob(log) - tf.reduce_sum(log, axis=-1)

        return zero_outside(inside, log, -tf.math.log(float(y.shape[-1])), log_density)


class Pieces(tfd.Independent):
    """tfp's independent parts of one event, whose draws stay what the parts returned.

    tfp would reshape them, and `OpenSimplex` not know again those that were rounded to 0.
    """

    def sample(self, sample_shape=(), seed=None, name="sample", **kwargs):
        """Draws as the parts do."""
        return self.distribution.sample(sample_shape, seed=seed, name=name, **kwargs)


@keras.saving.register_keras_serializable(package="tfvae")
class RelaxedOneHotCategorical(RelaxedLayer):
    """A relaxed categorical: softmax((l + g)/τ) with Gumbel noise g, on the simplex.

    As τ → 0 its samples become one-hot. With `straight_through` the distribution is the
    categorical itself: samples are one-hot, their gradient is the relaxed one's, and the KL to
    another categorical is exact.

    Args:
        event_size: Number of categories d; or a shape `(..., d)` of independent vectors.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        temperature: τ, a number or a schedule (a function of the step, such as
            `tfvae.schedules.Linear(1.0, 0.3, 5000)`); the layer counts its training calls.
        straight_through: Whether samples are exactly one-hot.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = RelaxedOneHotCategorical((3, 4), temperature=0.5, straight_through=True)
        >>> float(tf.reduce_sum(layer(tf.zeros([1, layer.params_size])).sample()))
        3.0

    References:
        Jang, Gu, Poole, "Categorical Reparameterization with Gumbel-Softmax", 2017. Maddison,
        Mnih, Teh, "The Concrete Distribution", 2017, equation 2.
    """

    event_argument = "event_size"

    def __init__(
        self,
        event_size: int | Sequence[int],
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        temperature: Positive | Callable = 0.5,
        straight_through: bool = False,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(
            event_size,
            convert_to_tensor_fn,
            validate_args,
            temperature=temperature,
            straight_through=straight_through,
            **kwargs,
        )

    def at_temperature(self, logits: tf.Tensor, temperature: tf.Tensor) -> tfd.Distribution:
        """Makes the distributions of logits of the event's shape."""
        if self.straight_through:
            one = StraightThroughOneHot(logits, temperature, validate_args=self.validate_args)
            return self.independent(one) if len(self.event_shape) > 1 else one
        one = OpenSimplex(temperature, logits, validate_args=self.validate_args)
        return Pieces(one, len(self.event_shape) - 1) if len(self.event_shape) > 1 else one
