"""Bernoulli distributions with a gradient: the binary concrete."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.outside import zero_outside
from tfvae.layers.relaxed import RelaxedLayer, exact_with_gradient_of
from tfvae.options.bounds import Positive
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["RelaxedBernoulli", "StraightThroughBernoulli"]


class OpenInterval(tfd.TransformedDistribution):
    """σ(y) of independent logistics y = (l + L)/τ, with a density of 0 outside of (0, 1).

    The event's axes are its own, without tfp's `Independent` around it: tfp remembers what a draw
    was made of, and so knows the y of one that was rounded to 0 or 1, unless it is reshaped.

    Args:
        logits: l.
        temperature: τ.
        event_ndims: Axes of an event.
        validate_args: Whether tfp checks values at run time.
        name: Name of the distribution.
    """

    def __init__(
        self, logits, temperature, event_ndims=0, validate_args=False, name="RelaxedBernoulli"
    ):
        parameters = dict(locals())
        logits = tf.convert_to_tensor(logits)
        self._temperature = tf.convert_to_tensor(temperature, dtype=logits.dtype)
        self._axes = event_ndims
        base = tfd.Logistic(logits / self._temperature, 1.0 / self._temperature)
        base = tfd.Independent(base, event_ndims)
        super().__init__(base, tfp.bijectors.Sigmoid(), validate_args=validate_args, name=name)
        self._parameters = parameters

    @property
    def temperature(self) -> tf.Tensor:
        """Temperature of the relaxation."""
        return self._temperature

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        properties = tfp.util.ParameterProperties
        return {
            "logits": properties(event_ndims=lambda self: self._axes),
            "temperature": properties(),
        }

    def _log_prob(self, x):
        y = self.bijector.inverse(x)
        logistic = self.distribution.distribution

        def log_density(y):
            return logistic.log_prob(y) + tf.nn.softplus(y) + tf.nn.softplus(-y)

        each = zero_outside(tf.math.is_finite(y), y, 0.0, log_density)
        return tf.reduce_sum(each, axis=list(range(-self._axes, 0)))


class StraightThroughBernoulli(tfd.Bernoulli):
    """A Bernoulli whose exact samples have the gradient of relaxed ones.

    Probability, entropy and KL are the Bernoulli's.

    Args:
        logits: l = log π / (1 − π).
        temperature: Temperature of the relaxation that lends its gradient.
        validate_args: Whether tfp checks values at run time.
        name: Name of the distribution.
    """

    def __init__(self, logits, temperature, validate_args=False, name="StraightThroughBernoulli"):
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
        properties = tfp.util.ParameterProperties
        return {"logits": properties(), "temperature": properties()}

    def _sample_n(self, n, seed=None):
        noise = tfd.Logistic(tf.zeros_like(self.logits), 1.0).sample(n, seed=seed)
        soft = tf.sigmoid((self.logits + noise) / self.temperature)
        hard = tf.cast(self.logits + noise > 0, soft.dtype)
        return exact_with_gradient_of(soft, hard)

    def _log_prob(self, event):
        # tfp's is x·log π + (1 − x)·log (1 − π) for any x.
        inside = tf.equal(event * event - event, 0)
        return zero_outside(inside, event, 0.0, super()._log_prob)


@keras.saving.register_keras_serializable(package="tfvae")
class RelaxedBernoulli(RelaxedLayer):
    """Relaxed Bernoullis: σ((l + L)/τ) with logistic noise L, between 0 and 1.

    As τ → 0 the samples become 0 and 1. The density is that of the logistic (l + L)/τ, pushed
    through σ; with τ = 1 and l = 0 it is uniform. With `straight_through` the distribution is the
    Bernoulli itself: samples are 0 and 1, their gradient is the relaxed one's, and the KL to
    another Bernoulli is exact.

    Args:
        event_shape: Shape of one event: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed, `"sample"` by default.
        validate_args: Whether tfp checks values at run time.
        temperature: τ, a number or a schedule (a function of the step, such as
            `tfvae.schedules.Linear(1.0, 0.5, 5000)`); the layer counts its training calls.
        straight_through: Whether samples are exactly 0 and 1.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = RelaxedBernoulli(3, temperature=1.0)
        >>> float(layer(tf.zeros([1, 3])).log_prob([[0.1, 0.5, 0.9]])[0].numpy().round(5) + 0.0)
        0.0

    References:
        Maddison, Mnih, Teh, "The Concrete Distribution", 2017, Appendix B, equation 26.
        Jang, Gu, Poole, "Categorical Reparameterization with Gumbel-Softmax", 2017, Section 2.2.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        *,
        temperature: Positive | Callable = 0.5,
        straight_through: bool = False,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(
            event_shape,
            convert_to_tensor_fn,
            validate_args,
            temperature=temperature,
            straight_through=straight_through,
            **kwargs,
        )

    def at_temperature(self, logits: tf.Tensor, temperature: tf.Tensor) -> tfd.Distribution:
        """Makes the distributions of logits of the event's shape."""
        if not self.straight_through:
            ndims = len(self.event_shape)
            return OpenInterval(logits, temperature, ndims, validate_args=self.validate_args)
        one = StraightThroughBernoulli(logits, temperature, validate_args=self.validate_args)
        return self.independent(one)
