"""The mixture of equal normals around exemplars, whole or of the nearest ones alone."""

from __future__ import annotations

import math

import tensorflow as tf
import tensorflow_probability as tfp

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = ["NormalsAround"]


class NormalsAround(tfd.Distribution):
    """p(z) = Σ_n π_n N(z; μ_n, σ² I), z a vector.

    Args:
        loc: μ, `[N, d]`.
        scale: σ, a number.
        neighbours: k: the sum is over the k nearest μ_n alone, which bounds it from below; None:
            over all.
        logits: log π up to a constant for each example, `[batch, N]`, and the batch shape is
            `[batch]`; None: π_n = 1/N, and the batch shape is `[]`.
    """

    def __init__(
        self,
        loc: tf.Tensor,
        scale: tf.Tensor,
        *,
        neighbours: int | None = None,
        logits: tf.Tensor | None = None,
    ):
        parameters = dict(locals())
        self.loc, self.scale, self.neighbours, self.logits = loc, scale, neighbours, logits
        super().__init__(
            loc.dtype,
            tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name="NormalsAround",
        )

    def at_temperature(self, temperature) -> NormalsAround:
        """The same with all standard deviations times the temperature."""
        return NormalsAround(**{**self.parameters, "scale": self.scale * temperature})

    def _batch_shape(self):
        return tf.TensorShape([]) if self.logits is None else self.logits.shape[:1]

    def _batch_shape_tensor(self):
        return tf.zeros([0], tf.int32) if self.logits is None else tf.shape(self.logits)[:1]

    def _event_shape(self):
        return self.loc.shape[1:]

    def _event_shape_tensor(self):
        return tf.shape(self.loc)[1:]

    def _default_event_space_bijector(self):
        return tfb.Identity()

    def _log_prob(self, z):
        # Around the mean of all: the squares of large numbers would drown their differences.
        middle = tf.reduce_mean(self.loc, axis=0)
        z, loc = z - middle, self.loc - middle
        squared = tf.reduce_sum(tf.square(z), axis=-1)[..., None]
        squared += tf.reduce_sum(tf.square(loc), axis=-1)
        squared -= 2.0 * tf.linalg.matmul(tf.expand_dims(z, -2), loc, transpose_b=True)[..., 0, :]
        exponents = -tf.maximum(squared, 0.0) / (2.0 * tf.square(self.scale))
        if self.logits is None:
            total = tf.math.log(tf.cast(tf.shape(loc)[0], self.dtype))
        else:
            exponents += self.logits
            total = tf.reduce_logsumexp(self.logits, axis=-1)
        if self.neighbours is not None:
            k = tf.minimum(self.neighbours, tf.shape(loc)[0])
            exponents = tf.math.top_k(exponents, k, sorted=False).values
        size = tf.cast(tf.shape(loc)[1], self.dtype)
        constant = size * (tf.math.log(self.scale) + 0.5 * math.log(2.0 * math.pi))
        return tf.reduce_logsumexp(exponents, axis=-1) - constant - total

    def _sample_n(self, n, seed=None):
        seeds = tf.random.split(tfp.random.sanitize_seed(seed), 2)
        count = tf.shape(self.loc)[0]
        if self.logits is None:
            rows = tf.random.stateless_uniform([n], seeds[0], maxval=count, dtype=tf.int32)
        else:
            rows = tf.transpose(tf.random.stateless_categorical(self.logits, n, seeds[0]))
        loc = tf.gather(self.loc, rows)
        return loc + self.scale * tf.random.stateless_normal(
            tf.shape(loc), seeds[1], dtype=self.dtype
        )
