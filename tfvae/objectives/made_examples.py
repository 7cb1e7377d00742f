"""What objectives show a network that is not data: draws of the prior, and what is decoded."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import fold_in, global_batch
from tfvae.distributions.supports import support_of
from tfvae.distributions.types import VAEOutput

tfd = tfp.distributions

__all__ = ["binary_draws", "made_examples", "prior_draws", "replica_seed_of"]


def _place(count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The size of the batch on all replicas, and where in it this replica's part begins."""
    everyone, start = global_batch(tf.zeros([count, 1]))
    return tf.shape(everyone)[0], start


def replica_seed_of(output: VAEOutput, seed: tf.Tensor) -> tf.Tensor:
    """A seed that differs between replicas, by the place of their part of the batch.

    Args:
        output: What the model returned, with one group of latent variables.
        seed: Stateless seed, the same on all replicas.

    Returns:
        Stateless seed.
    """
    return fold_in(seed, _place(tf.shape(output.latents[0].z)[0])[1])


def prior_draws(output: VAEOutput, seed: tf.Tensor) -> tf.Tensor:
    """A draw of the prior beside each code; of one prior, the same for any number of replicas.

    Args:
        output: What the model returned, with one group of latent variables.
        seed: Stateless seed, the same on all replicas.

    Returns:
        `[batch, *event]`, as constants of the gradient.
    """
    (latent,) = output.latents
    count = tf.shape(latent.z)[0]
    if latent.prior.batch_shape.rank == 0:
        everyone, start = _place(count)
        draws = latent.prior.sample(everyone, seed=seed)[start : start + count]
    else:  # one for each context
        draws = latent.prior.sample(seed=replica_seed_of(output, seed))
    return tf.stop_gradient(tf.cast(tf.reshape(draws, tf.shape(latent.z)), latent.z.dtype))


def binary_draws(mean: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws of 0 and 1, with the gradient of their mean; the same for any number of replicas.

    Args:
        mean: Probabilities of 1, `[batch, *event]`.
        seed: Stateless seed, the same on all replicas.

    Returns:
        `[batch, *event]`.
    """
    count = tf.shape(mean)[0]
    everyone, start = _place(count)
    shape = tf.concat([everyone[None], tf.shape(mean)[1:]], axis=0)
    uniform = tf.random.stateless_uniform(shape, seed)[start : start + count]
    draw = tf.cast(tf.cast(uniform, mean.dtype) < mean, mean.dtype)
    return mean + tf.stop_gradient(draw - mean)


def made_examples(likelihood: tfd.Distribution, seed: tf.Tensor) -> tf.Tensor:
    """Examples that a decoder makes, on the support of its likelihood.

    Args:
        likelihood: p(x|z), of batch shape `[batch]`.
        seed: Stateless seed, the same on all replicas.

    Returns:
        `[batch, *event]`: the mean; of discrete data a draw, with the gradient of the mean.
    """
    mean, support = likelihood.mean(), support_of(likelihood)
    if not support.integer:
        return mean
    if support.levels == 2 and not support.symbol_axes:
        return binary_draws(mean, seed)
    draw = likelihood.sample(seed=fold_in(seed, _place(tf.shape(mean)[0])[1]))
    return mean + tf.stop_gradient(tf.cast(draw, mean.dtype) - mean)
