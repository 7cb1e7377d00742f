"""The distribution of each latent dimension by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.moments import mean_of, stddev_of

__all__ = ["Marginals", "marginals"]

tfd = tfp.distributions


@dataclasses.dataclass(frozen=True)
class Marginals:
    """Distributions of single dimensions.

    Attributes:
        log_prob: From z, `[..., *event]`, to the log density of each dimension, same shape; nats.
        distribution: The same as a distribution whose batch has the event's axes, where one
            exists in closed form.
        components: Of how many densities each is the sum.
    """

    log_prob: Callable[[tf.Tensor], tf.Tensor]
    distribution: tfd.Distribution | None = None
    components: int = 1


def marginals(distribution: tfd.Distribution) -> Marginals:
    """Takes a distribution of vectors apart into its dimensions.

    Args:
        distribution: Batch shape `[...]`, event shape `[D]` or with more axes.

    Returns:
        Exact marginals of `tfd.Independent`, of multivariate normals, of `tfd.Sample` of a scalar
        and of mixtures of these; otherwise normals with the marginals' means and variances.

    Example:
        >>> marginals(tfd.MultivariateNormalTriL([0.0, 1.0], [[1.0, 0.0], [3.0, 4.0]]))
        ... # normals with standard deviations 1 and 5
    """
    parts = _factors(distribution)
    if parts is not None:
        return Marginals(parts.log_prob, parts)
    if isinstance(distribution, tfd.MixtureSameFamily):
        components = _factors(distribution.components_distribution)
        if components is not None:
            count = distribution.components_distribution.batch_shape[-1] or 1
            return Marginals(lambda z: _mixture(distribution, components, z), components=count)
    normal = tfd.Normal(mean_of(distribution), stddev_of(distribution))
    return Marginals(normal.log_prob, normal)


def _factors(distribution: tfd.Distribution) -> tfd.Distribution | None:
    """The factors, or the normal marginals, in the batch; None where there is no closed form."""
    if isinstance(distribution, tfd.Independent):
        inner = distribution.distribution
        return _factors(inner) or inner
    if isinstance(distribution, tfd.MultivariateNormalLinearOperator):
        return tfd.Normal(distribution.mean(), distribution.stddev())
    if isinstance(distribution, tfd.Sample):
        inner = distribution.distribution
        return inner if inner.batch_shape.rank == inner.event_shape.rank == 0 else None
    return None


def _mixture(
    mixture: tfd.MixtureSameFamily, components: tfd.Distribution, z: tf.Tensor
) -> tf.Tensor:
    """Evaluates log Σ_k w_k p_k(z_d) for each d; the components' batch is `[..., K, *event]`."""
    event = mixture.event_shape.rank
    weights = tf.math.log_softmax(mixture.mixture_distribution.logits_parameter())
    weights = tf.reshape(weights, tf.concat([tf.shape(weights), [1] * event], 0))
    axis = -event - 1
    return tf.reduce_logsumexp(weights + components.log_prob(tf.expand_dims(z, axis)), axis)
