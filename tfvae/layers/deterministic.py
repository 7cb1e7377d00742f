"""A code without noise."""

from __future__ import annotations

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.point import Point
from tfvae.layers.base import DistributionLayer

tfd = tfp.distributions

__all__ = ["Deterministic"]


@keras.saving.register_keras_serializable(package="tfvae")
class Deterministic(DistributionLayer):
    """The posterior of an autoencoder: all probability on one code, q(z|x) = δ(z − μ(x)).

    A point has no density, and KL(q(z|x) ‖ p(z)) is infinite: a model with this posterior has no
    ELBO, no rate and no estimate of log p(x). `elbo` and `log_prob` refuse with that reason. `fit`
    logs `distortion`, −log p(x|z) at the code, and `log_joint`, log p(x|z) + log p(z) there, nats:
    the value of a density at one z, which bounds nothing. An objective that weighs the rate, such
    as `ELBO`, weighs −log p(z) in its place. Where z is to be drawn, fit its density after the
    training, or hold the codes to the prior, as an adversary or a maximum mean discrepancy does.

    Args:
        event_shape: Shape of one code: an integer or a tuple.
        convert_to_tensor_fn: What the output is where a tensor is needed; all are the code.
        validate_args: Whether tfp checks values at run time.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> q = Deterministic(2)(tf.constant([[0.5, -1.0]]))
        >>> q.sample(3, seed=1).shape, q.mean().numpy()
        (TensorShape([3, 1, 2]), array([[ 0.5, -1. ]], dtype=float32))

    References:
        Ghosh et al., "From Variational to Deterministic Autoencoders", 2020, Section 3.
    """

    roles = ("posterior",)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Makes the point of each example."""
        (loc,) = self.split(params)
        return self.independent(Point(loc, validate_args=self.validate_args))
