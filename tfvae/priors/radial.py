"""The distribution of uniform directions and gamma-distributed squared radii."""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.unbatched import Unbatched

tfd = tfp.distributions

__all__ = ["RadialGamma"]


class RadialGamma(Unbatched):
    """z = r u, u uniform on the sphere, r² ~ Gamma(concentration, rate); batch shape `[]`.

    Args:
        concentration: a, a number.
        rate: b, a number.
        event_shape: Shape of z.
    """

    def __init__(self, concentration: tf.Tensor, rate: tf.Tensor, event_shape: Sequence[int]):
        parameters = dict(locals())
        self.squared_radius = tfd.Gamma(concentration, rate)
        super().__init__(self.squared_radius.dtype, event_shape, parameters)

    def at_temperature(self, temperature) -> RadialGamma:
        """The same with all radii times the temperature."""
        gamma = self.squared_radius
        return RadialGamma(gamma.concentration, gamma.rate / temperature**2, self.shape)

    def _log_prob(self, z):
        a, b, half = (
            self.squared_radius.concentration,
            self.squared_radius.rate,
            math.prod(self.shape) / 2,
        )
        squared = tf.reduce_sum(tf.square(z), axis=list(range(-len(self.shape), 0)))
        constant = math.lgamma(half) - half * math.log(math.pi)
        power = tf.math.xlogy(a - half, squared)  # of the normal, 0 at z = 0
        return power - b * squared + a * tf.math.log(b) - tf.math.lgamma(a) + constant

    def _sample_n(self, n, seed=None):
        seeds = tf.random.split(tfp.random.sanitize_seed(seed), 2)
        axes = list(range(1, 1 + len(self.shape)))
        normal = tf.random.stateless_normal([n, *self.shape], seeds[0], dtype=self.dtype)
        direction = tf.math.l2_normalize(normal, axis=axes)
        radius = tf.sqrt(self.squared_radius.sample(n, seed=seeds[1]))
        return tf.reshape(radius, [n, *(1 for _ in axes)]) * direction

    def _mean(self):
        return tf.zeros(self.shape, self.dtype)
