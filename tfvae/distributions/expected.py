"""Expectations over classes: a log-probability that is the mean of several, one for each class."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.batch_axes import Unfolded

tfd = tfp.distributions

__all__ = ["Expected", "ExpectedEach"]


class Expected(tfd.Distribution):
    """E_c log p_c(x), of a value that all classes explain: log p(x) = Σ_c π_c log p_c(x).

    It is what stands in a bound where a class c ~ π is summed over in place of being drawn. By
    Jensen's inequality it is at most the log-density of the mixture, whose mean and draws it has.

    Args:
        components: p_c, batch shape `[C, batch]`.
        weights: π, `[batch, C]`, summing to one.

    Example:
        >>> p = Expected(tfd.Normal([[0.0], [1.0]], 1.0), tf.constant([[0.5, 0.5]]))
        >>> float(p.mean()[0])
        0.5
    """

    def __init__(self, components: tfd.Distribution, weights: tf.Tensor):
        parameters = dict(locals())
        self._components, self._weights = components, weights
        super().__init__(
            dtype=components.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,  # the class is not
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=f"Expected{components.name}",
        )

    @property
    def distribution(self) -> tfd.Distribution:
        """The distributions of the classes."""
        return self._components

    @property
    def weights(self) -> tf.Tensor:
        """π, `[batch, C]`."""
        return self._weights

    def _batch_shape(self):
        return self._weights.shape[:-1]

    def _batch_shape_tensor(self):
        return tf.shape(self._weights)[:-1]

    def _event_shape(self):
        return self._components.event_shape

    def _event_shape_tensor(self):
        return self._components.event_shape_tensor()

    def _over_classes(self, values: tf.Tensor) -> tf.Tensor:
        """The mean of `[C, batch, ...]` over the classes; none of what a weight of 0 leaves out."""
        weights = tf.cast(tf.transpose(self._weights), values.dtype)
        weights = tf.reshape(
            weights, tf.concat([tf.shape(weights), tf.ones([values.shape.rank - 2], tf.int32)], 0)
        )
        return tf.reduce_sum(tf.math.multiply_no_nan(values, weights), axis=0)

    def _log_prob(self, x):
        rank = x.shape.rank - self.event_shape.rank
        if rank <= 1:
            return self._over_classes(self._components.log_prob(x))
        draws = tf.shape(x)[: rank - 1]  # [n, batch, *event], as many values of each example
        flat = tf.reshape(x, tf.concat([[-1], tf.shape(x)[rank - 1 :]], axis=0))
        values = self._components.log_prob(flat[:, tf.newaxis])  # [n, C, batch]
        values = self._over_classes(tf.transpose(values, [1, 2, 0]))
        return tf.reshape(tf.transpose(values), tf.concat([draws, tf.shape(values)[:1]], axis=0))

    def _sample_n(self, n, seed=None):
        seeds = tf.random.split(tfp.random.sanitize_seed(seed), 2)
        classes = tfd.Categorical(probs=self._weights).sample(n, seed=seeds[0])  # [n, batch]
        draws = self._components.sample(n, seed=seeds[1])  # [n, C, batch, *event]
        draws = tf.transpose(draws, [0, 2, 1, *range(3, draws.shape.rank)])
        return tf.gather(draws, classes, axis=2, batch_dims=2)

    def _mean(self):
        return self._over_classes(self._components.mean())


class ExpectedEach(Expected):
    """The same of a value that each class has for itself: log p(z_1, ...) = Σ_c π_c log p_c(z_c).

    Its KL from another one is the mean of those of the classes. A draw holds one z of each class.

    Args:
        components: p_c, batch shape `[C, batch]`, or `[]` where all are alike.
        weights: π, `[batch, C]`, summing to one.
    """

    def _event_shape(self):
        return self._weights.shape[-1:].concatenate(self._components.event_shape)

    def _event_shape_tensor(self):
        return tf.concat([tf.shape(self._weights)[-1:], self._components.event_shape_tensor()], 0)

    def _log_prob(self, z):
        classes = z.shape.rank - 1 - self._components.event_shape.rank
        if classes != 1:
            raise NotImplementedError("a z of each class has one batch axis")
        z = tf.transpose(z, [1, 0, *range(2, z.shape.rank)])
        return self._over_classes(self._components.log_prob(z))

    def _sample_n(self, n, seed=None):
        alike = self._components.batch_shape.rank == 0
        count = tf.reduce_prod(tf.shape(self._weights)) if alike else 1
        draws = self._components.sample(n * count, seed=seed)
        event = self._components.event_shape_tensor()
        shape = tf.concat([[n], tf.reverse(tf.shape(self._weights), [0]), event], axis=0)
        draws = tf.reshape(draws, shape)
        return tf.transpose(draws, [0, 2, 1, *range(3, draws.shape.rank)])

    def _mean(self):
        mean = self._components.mean()
        if self._components.batch_shape.rank == 0:
            event = self._components.event_shape_tensor()
            return tf.broadcast_to(mean, tf.concat([tf.shape(self._weights), event], axis=0))
        return tf.transpose(mean, [1, 0, *range(2, mean.shape.rank)])


@tfd.RegisterKL(ExpectedEach, ExpectedEach)
def _kl_of_each(a: ExpectedEach, b: ExpectedEach, name=None) -> tf.Tensor:
    return a._over_classes(tfd.kl_divergence(a.distribution, b.distribution, name=name))


@tfd.RegisterKL(Unfolded, tfd.Distribution)
def _kl_from_one(a: Unfolded, b: tfd.Distribution, name=None) -> tf.Tensor:
    """Of several batch axes from one distribution that all of them share."""
    if b.batch_shape.rank != 0:
        raise NotImplementedError(f"no KL of batch axes {a.batch_shape} from {b.batch_shape}")
    return a.unfold(tfd.kl_divergence(a.distribution, b, name=name))
