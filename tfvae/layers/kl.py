"""Kullback-Leibler divergences as a part of the loss of any Keras model."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import concrete
from tfvae.distributions.divergences import analytic_kl, check_shapes
from tfvae.distributions.variables import refuse_untracked
from tfvae.errors import UserError
from tfvae.layers.noise_scope import noise_seed
from tfvae.layers.steps import at_step, count_steps
from tfvae.layers.symbolic import SymbolicDistribution
from tfvae.layers.tfp_objects import deserialize_tfp, serialize_tfp
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["KLDivergenceAddLoss", "KLDivergenceRegularizer"]


def _save(value):
    """What JSON can hold of a distribution, a number, or a Keras object."""
    if isinstance(value, tfd.Distribution):
        return serialize_tfp(concrete(value))
    return keras.saving.serialize_keras_object(value)


def _load(value):
    tfp_object = isinstance(value, dict) and "tfp" in value
    return deserialize_tfp(value) if tfp_object else keras.saving.deserialize_keras_object(value)


@keras.saving.register_keras_serializable(package="tfvae")
class KLDivergenceRegularizer(keras.regularizers.Regularizer):
    """Adds weight · KL(a ‖ b), a the output of the probability layer that has the regularizer.

    The loss gets the sum of KL over all but the first axis of a's batch shape and the mean over
    the first, in nats per example, so that with `NegativeLogLikelihood` beside it the loss that
    `fit` reports is −ELBO. (Keras divides the value of an activity regularizer by the first size
    of the output *tensor*, which is not the batch when that is `sample(10)`: made good here.)

    Args:
        distribution_b: b: a `tfd.Distribution`, a Keras layer (`tfvae.priors`) or function without
            arguments that returns one, or a Keras model of one ignored argument. Weights of a
            layer or model are trained along.
        use_exact_kl: Whether KL is exact, by tfp's registered formula, or the Monte Carlo mean of
            log a(z) − log b(z) over test points.
        test_points_reduce_axis: Kept for the order of arguments in `tfp.layers`. The mean is
            always over the axes of the test points and over these alone; an axis of the batch is
            refused.
        test_points_fn: Function of a that gives the test points, `[*points, *batch, *event]`; by
            default the tensor value of a, the very sample that goes on through the model.
        weight: Factor of KL: a number, a tensor, or a schedule (a function of the step, such as
            `tfvae.schedules.Linear(0, 1, 1000)`, whose steps the layer counts in training).
        test_points: Number n of fresh samples as test points, in place of `test_points_fn`.

    Example:
        >>> prior = tfd.MultivariateNormalDiag(tf.zeros(2))
        >>> layer = MultivariateNormalTriL(
        ...     2, activity_regularizer=KLDivergenceRegularizer(prior, use_exact_kl=True)
        ... )
        >>> q = layer(tf.zeros([5, layer.params_size]))
        >>> len(layer.losses)
        1
    """

    def __init__(
        self,
        distribution_b,
        use_exact_kl: bool = False,
        test_points_reduce_axis=None,
        test_points_fn: Callable | None = None,
        weight=None,
        *,
        test_points: int | None = None,
    ):
        if not (isinstance(distribution_b, tfd.Distribution) or callable(distribution_b)):
            raise UserError(f"distribution_b takes a distribution or layer, got {distribution_b!r}")
        if test_points is not None and (use_exact_kl or test_points_fn or test_points < 1):
            raise UserError(
                "test_points takes the number of samples, with use_exact_kl=False and without "
                f"test_points_fn; got {test_points!r}"
            )
        refuse_untracked("distribution_b", distribution_b)
        refuse_untracked("weight", weight)
        axes = test_points_reduce_axis
        self.distribution_b = distribution_b
        self.use_exact_kl = use_exact_kl
        self.test_points_reduce_axis = None if axes is None else np.ravel(axes).tolist()
        self.test_points_fn = test_points_fn
        self.weight = weight
        self.test_points = test_points
        self._layer = None

    def attach(self, layer: keras.layers.Layer) -> None:
        """Lets the layer own the weights of b and, for a schedule, the count of the steps."""
        self._layer = layer
        if isinstance(self.distribution_b, keras.layers.Layer):
            layer.distribution_b = self.distribution_b
        if callable(self.weight):
            count_steps(layer)

    def _prior(self) -> tfd.Distribution:
        b = self.distribution_b
        if isinstance(b, keras.Model):
            b = b(tf.zeros([1]))
        elif not isinstance(b, tfd.Distribution):
            b = b()
        return concrete(b)

    def divergence(self, distribution_a: tfd.Distribution) -> tf.Tensor:
        """KL(a ‖ b) in nats, of a's batch shape, without the weight."""
        a, b = concrete(distribution_a), self._prior()
        check_shapes(a, b)
        if self.use_exact_kl:
            kl = analytic_kl(a, b)
            if kl is None:
                raise UserError(
                    f"no closed form of KL({a.name} ‖ {b.name}) is registered: use "
                    "use_exact_kl=False, with test_points=n for less noise"
                )
            return kl
        if self.test_points:
            z = a.sample(self.test_points, seed=noise_seed())
        else:
            z = (self.test_points_fn or tf.convert_to_tensor)(distribution_a)
        ratio = a.log_prob(z) - b.log_prob(z)
        axes = list(range(ratio.shape.rank - a.batch_shape.rank))
        given = self.test_points_reduce_axis or axes
        if sorted(axis % ratio.shape.rank for axis in given) != axes:
            raise UserError(
                f"test_points_reduce_axis is {given}, but the test points have the axes {axes}: "
                "the mean over the batch is the loss's own; leave the argument out"
            )
        return tf.reduce_mean(ratio, axis=axes)

    def loss(self, distribution_a: tfd.Distribution) -> tf.Tensor:
        """The weighted KL in nats per example, a scalar."""
        if not isinstance(concrete(distribution_a), tfd.Distribution):
            raise UserError(
                "KLDivergenceRegularizer and KLDivergenceAddLoss stand at a layer of tfvae.layers, "
                f"whose output is a distribution; got a {type(distribution_a).__name__}"
            )
        kl = self.divergence(distribution_a)
        if kl.shape.rank:
            kl = tf.reduce_mean(tf.reduce_sum(kl, axis=list(range(1, kl.shape.rank))))
        weight = at_step(self.weight, self._layer)
        return kl if weight is None else tf.cast(weight, kl.dtype) * kl

    def __call__(self, distribution_a: tfd.Distribution) -> tf.Tensor:
        """The value for Keras, which divides it by the first size of the output tensor."""
        loss = self.loss(distribution_a)
        value = tf.convert_to_tensor(distribution_a)
        return loss * tf.cast(tf.shape(value)[0], loss.dtype) if value.shape.rank else loss

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            "distribution_b": _save(self.distribution_b),
            "use_exact_kl": self.use_exact_kl,
            "test_points_reduce_axis": self.test_points_reduce_axis,
            "test_points_fn": _save(self.test_points_fn),
            "weight": _save(self.weight),
            "test_points": self.test_points,
        }

    @classmethod
    def from_config(cls, config: dict) -> KLDivergenceRegularizer:
        """Makes the regularizer of its configuration."""
        return cls(**{key: _load(value) for key, value in config.items()})


@keras.saving.register_keras_serializable(package="tfvae")
class KLDivergenceAddLoss(keras.layers.Layer):
    """Passes a distribution on and adds weight · KL(a ‖ b) to the model's loss.

    The value is that of `KLDivergenceRegularizer`: nats per example.

    Args:
        distribution_b: b, as in `KLDivergenceRegularizer`.
        use_exact_kl: Whether KL is exact or by Monte Carlo.
        test_points_reduce_axis: Kept for the order of arguments in `tfp.layers`.
        test_points_fn: Function of a that gives the test points.
        weight: Factor of KL: a number, a tensor, or a schedule.
        test_points: Number n of fresh samples as test points.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> prior = tfd.MultivariateNormalDiag(tf.zeros(2))
        >>> encoder = keras.Sequential([
        ...     keras.Input((4,)),
        ...     keras.layers.Dense(MultivariateNormalTriL.params_size(2)),
        ...     MultivariateNormalTriL(2),
        ...     KLDivergenceAddLoss(prior, use_exact_kl=True),
        ... ])
        >>> encoder(tf.ones([5, 4])).event_shape
        TensorShape([2])
    """

    def __init__(
        self,
        distribution_b,
        use_exact_kl: bool = False,
        test_points_reduce_axis=None,
        test_points_fn: Callable | None = None,
        weight=None,
        *,
        test_points: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        kwargs.pop("autocast", None)
        # A cast, as of a mixed policy, would return the sample in place of the distribution.
        super().__init__(autocast=False, **kwargs)
        self.step = None
        self.regularizer = KLDivergenceRegularizer(
            distribution_b,
            use_exact_kl,
            test_points_reduce_axis,
            test_points_fn,
            weight,
            test_points=test_points,
        )
        self.regularizer.attach(self)

    def call(self, distribution_a, training: bool | None = None):
        """Adds the loss and returns the distribution."""
        if training and self.step is not None:
            self.step.assign_add(1)
        self.add_loss(self.regularizer.loss(distribution_a))
        return distribution_a

    def compute_output_spec(self, distribution_a, training: bool | None = None):
        """Shape and dtype of the distribution's value."""
        if isinstance(distribution_a, SymbolicDistribution):
            return distribution_a.copy()
        return keras.KerasTensor(distribution_a.shape, dtype=distribution_a.dtype)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), **self.regularizer.get_config()}

    @classmethod
    def from_config(cls, config: dict) -> KLDivergenceAddLoss:
        """Makes the layer of its configuration."""
        return cls(**{key: _load(value) for key, value in config.items()})
