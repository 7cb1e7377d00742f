"""The distribution whose density is the volume of a Riemannian metric, by its draws."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import fold_in
from tfvae.distributions.unbatched import Unbatched
from tfvae.errors import NoDensityError

tfd = tfp.distributions

__all__ = ["UniformOnManifold"]


class UniformOnManifold(Unbatched):
    """p(z) ∝ √det G(z), by Hamiltonian Monte Carlo; batch shape `[]`.

    Args:
        metric: G, from z `[batch, d]` to `[batch, d, d]`.
        starts: Where the chains begin, one of these at random, `[n, d]`.
        step_size: Of the leapfrog integrator, for each element of z, `[d]`.
        chain: Steps of a chain.
        leapfrog: Steps of the integrator in each.
    """

    def __init__(
        self,
        metric: Callable,
        starts: tf.Tensor,
        step_size: tf.Tensor,
        *,
        chain: int,
        leapfrog: int,
    ):
        parameters = dict(locals())
        self.metric, self.starts, self.step_size = metric, starts, step_size
        self.chain, self.leapfrog = chain, leapfrog
        shape = starts.shape[1:]
        super().__init__(
            starts.dtype, shape, parameters, reparameterization=tfd.NOT_REPARAMETERIZED
        )

    def _log_prob(self, z):
        raise NoDensityError(
            "the uniform distribution on a manifold has no density that can be computed, its "
            "constant is an unknown integral: sample works, and for the ELBO, log p(x) and "
            "training fit another prior, such as fit_prior(vae, data, 'gaussian_mixture')"
        )

    def log_volume(self, z: tf.Tensor) -> tf.Tensor:
        """The log of √det G, which is log p up to a constant: `[batch, d]` to `[batch]`."""
        factor = tf.linalg.cholesky(self.metric(z))
        return tf.reduce_sum(tf.math.log(tf.linalg.diag_part(factor)), axis=-1)

    def _force(self, z: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(z)
            volume = self.log_volume(z)
        return tape.gradient(volume, z)

    def _sample_n(self, n, seed=None):
        # Compiled: a chain of a hundred steps by itself takes half a minute.
        chains = tf.function(self._chains, autograph=False)
        return chains(tf.convert_to_tensor(n), tfp.random.sanitize_seed(seed))

    def _chains(self, n: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The ends of n chains, `[n, d]`."""
        count = tf.shape(self.starts)[0]
        rows = tf.random.stateless_uniform([n], fold_in(seed, -1), maxval=count, dtype=tf.int32)

        def step(number, z, volume):
            seeds = tf.random.split(fold_in(seed, number), 2)
            momentum = tf.random.stateless_normal(tf.shape(z), seeds[0], dtype=self.dtype)
            end, turned = self._leapfrog(z, momentum)
            there = self.log_volume(end)
            before, after = (tf.reduce_sum(tf.square(m), -1) / 2 for m in (momentum, turned))
            log_ratio = (there - after) - (volume - before)
            uniform = tf.random.stateless_uniform([n], seeds[1], dtype=self.dtype)
            taken = tf.math.log(uniform) < log_ratio
            return number + 1, tf.where(taken[:, None], end, z), tf.where(taken, there, volume)

        z = tf.gather(self.starts, rows)
        _, z, _ = tf.while_loop(
            lambda number, *_: number < self.chain,
            step,
            (0, z, self.log_volume(z)),
            parallel_iterations=1,
        )
        return z

    def _leapfrog(self, z: tf.Tensor, momentum: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Follows the Hamiltonian, of a mass of 1; an element's step size is its unit of length."""

        def step(number, z, momentum, force):
            momentum += self.step_size * force / 2
            z += self.step_size * momentum
            force = self._force(z)
            return number + 1, z, momentum + self.step_size * force / 2, force

        _, z, momentum, _ = tf.while_loop(
            lambda number, *_: number < self.leapfrog,
            step,
            (0, z, momentum, self._force(z)),
            parallel_iterations=1,
        )
        return z, momentum
