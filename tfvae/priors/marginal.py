"""The marginal of a latent variable model, with an importance-weighted density."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import fold_in
from tfvae.distributions.batch_axes import fold
from tfvae.distributions.coercible import concrete
from tfvae.distributions.unbatched import Unbatched
from tfvae.priors.temperature import tempered

tfd = tfp.distributions

__all__ = ["Marginal"]


class Marginal(Unbatched):
    """p(z) = ∫ p(z|u) N(u; 0, I) du; batch shape `[]`.

    Args:
        encoder: From z to q(u|z), u a vector.
        decoder: From u to p(z|u).
        event_shape: Shape of z.
        samples: Draws of u in an estimate of the density.
        seed: Stateless seed of these draws.
        dtype: Data type of z.
        temperature: Factor of the noise in draws of z.
    """

    def __init__(
        self,
        encoder: Callable,
        decoder: Callable,
        event_shape: Sequence[int],
        *,
        samples: int,
        seed: tf.Tensor,
        dtype: str,
        temperature=1.0,
    ):
        parameters = dict(locals())
        self.encoder, self.decoder = encoder, decoder
        self.samples, self.seed = samples, seed
        self.temperature = temperature
        super().__init__(dtype, event_shape, parameters)

    def at_temperature(self, temperature) -> Marginal:
        """The same with draws of less noise, or of more: in u, and in z given u."""
        return Marginal(**{**self.parameters, "temperature": temperature})

    def _log_prob(self, z):
        batch = tf.shape(z)[: z.shape.rank - len(self.shape)]
        flat = fold(z, len(self.shape))
        posterior = concrete(self.encoder(flat))
        size = posterior.event_shape
        normal = tfd.Independent(tfd.Normal(tf.zeros(size, self.dtype), 1.0), 1)

        def add(k, total):
            u = posterior.sample(seed=fold_in(self.seed, k))
            weight = normal.log_prob(u) - posterior.log_prob(u) + self.decoder(u).log_prob(flat)
            return k + 1, tf.reduce_logsumexp(tf.stack([total, weight]), axis=0)

        # One draw after the other: z may have K draws itself, which are many examples.
        start = tf.fill(tf.shape(flat)[:1], tf.constant(-math.inf, self.dtype))
        _, total = tf.while_loop(
            lambda k, total: k < self.samples,
            add,
            add(0, start),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
            parallel_iterations=1,
            maximum_iterations=self.samples,
        )
        return tf.reshape(total - math.log(self.samples), batch)

    def _sample_n(self, n, seed=None):
        seeds = tf.random.split(tfp.random.sanitize_seed(seed), 2)
        size = self.encoder.head.event_shape
        u = self.temperature * tf.random.stateless_normal([n, *size], seeds[0], dtype=self.dtype)
        return tempered(concrete(self.decoder(u)), self.temperature).sample(seed=seeds[1])
