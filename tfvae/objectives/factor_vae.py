"""The ELBO with the total correlation estimated by a discriminator."""

from __future__ import annotations

import math
from typing import Literal

import keras
import tensorflow as tf

from tfvae.distribute import batch_mean, global_batch
from tfvae.distribute.updates import apply_gradients
from tfvae.distributions.elbo import elbo
from tfvae.distributions.types import ObjectiveOutput, VAEOutput
from tfvae.errors import UserError
from tfvae.networks import MLP
from tfvae.objectives.base import Objective
from tfvae.objectives.latents import one_group
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.optimizers import optimizer_class
from tfvae.options.bounds import Positive, Weight, Widths
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Scheduled

__all__ = ["FactorVAE", "permute_dimensions"]


def permute_dimensions(
    z: tf.Tensor, seed: tf.Tensor, *, weights: tf.Tensor | None = None
) -> tf.Tensor:
    """Shuffles every dimension over the batch by itself: draws of Π_j q(z_j).

    With weights, the batch is resampled in proportion to them before (systematic resampling: an
    example of twice the mean weight is taken twice, one of no weight never), so that the draws
    are those of the weighted aggregate and count alike. Equal weights leave the batch as it is.

    Args:
        z: Draws of q(z), `[batch, D]`.
        seed: Stateless seed.
        weights: Sample weights, `[batch]`; None: all are 1.

    Returns:
        `[batch, D]`.

    References:
        Kim and Mnih, "Disentangling by Factorising", 2018, Algorithm 1.
    """
    if weights is not None:
        z = tf.gather(z, _resampled(weights, tf.random.fold_in(seed, 1)))
    columns = tf.transpose(z)
    order = tf.argsort(tf.random.stateless_uniform(tf.shape(columns), seed), axis=1)
    return tf.transpose(tf.gather(columns, order, batch_dims=1))


def _named(optimizer: str, learning_rate: float) -> keras.optimizers.Optimizer:
    """The optimizer of a name; Adam with the decays of the paper."""
    if optimizer == "adam":
        return keras.optimizers.Adam(learning_rate, beta_1=0.5, beta_2=0.9)
    return optimizer_class(optimizer)(learning_rate)


def _resampled(weights: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """As many places of a batch as it has, in proportion to the weights, in ascending order."""
    weights = tf.cast(weights, tf.float32)
    count = tf.size(weights)
    # One uniform number for all: the points are as far apart as the mean weight.
    points = tf.range(tf.cast(count, tf.float32)) + tf.random.stateless_uniform([], seed)
    ends = tf.math.divide_no_nan(tf.cumsum(weights), tf.reduce_mean(weights))
    places = tf.reduce_sum(tf.cast(points[:, None] >= ends, tf.int32), axis=1)
    return tf.minimum(places, count - 1)


@keras.saving.register_keras_serializable(package="tfvae")
class FactorVAE(Objective):
    """The FactorVAE: loss = distortion + rate + γ TC(z), TC from a discriminator of its own.

    The discriminator D tells draws of q(z) from draws of Π_j q(z_j), which are made by shuffling
    each dimension over the (global) batch. Its logit is the log density ratio, so that its mean
    over q(z) is the total correlation. It is trained in the same step, after the model, by its
    own loss, ½ (−log D(z) − log(1 − D(shuffled))), and its own optimizer, on the same batch; the
    paper takes a second one for the shuffled draws. Neither step's gradient reaches the other's
    weights. With sample weights, both kinds of draws are those of the weighted data. Discriminator
    and optimizer are saved with the model.

    Terms beside the ELBO's: `total_correlation`, the logit, and `discriminator_loss`, nats.

    Args:
        gamma: γ, a number, a schedule of `tfvae.schedules` or of Keras, or a function of the step.
        units: Units of the discriminator's layers, leaky ReLU (slope 0.2). The paper has six of
            1000, 5 million weights: with ten latent variables on two cores a step of theirs takes
            some forty times that of the default, whose estimate of a known total correlation of
            1.7 nats was within 15 % after 1500 steps.
        optimizer: The discriminator's: the name of a Keras optimizer (`"adam"` with the paper's
            0.5 and 0.9), or an optimizer.
        learning_rate: Of an optimizer that is given by name.
        kl: How the rate is computed, see `Objective`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If there are no units; when it first sees several latent groups or a code of
            integers.

    Example:
        >>> model = tfvae.VAE(encoder, decoder, objective=FactorVAE(gamma=35.0))

    References:
        Kim and Mnih, "Disentangling by Factorising", 2018, Eq. 2 and 3, Algorithm 2.
    """

    gamma = ScheduledNumber()

    def __init__(
        self,
        gamma: Weight | Scheduled = 10.0,
        *,
        units: Widths = (256, 256, 256),
        optimizer: str | dict | keras.optimizers.Optimizer = "adam",
        learning_rate: Positive = 1e-4,
        kl: Literal["auto", "analytic", "monte_carlo"] = "auto",
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(kl=kl, **kwargs)
        if not units or any(n != int(n) or n < 1 for n in units):
            raise UserError(f"units takes positive whole numbers, got {units!r}")
        self.gamma = gamma
        # Made anew in `build_discriminator`: an optimizer belongs to the strategy it is made in.
        self._learning_rate = learning_rate
        if isinstance(optimizer, str):
            optimizer = _named(optimizer, learning_rate)
        self._optimizer = keras.optimizers.serialize(keras.optimizers.get(optimizer))
        self.optimizer, self._batches = None, None
        self.features = MLP(units, "leaky_relu", dtype=self.dtype_policy)
        self.logit = keras.layers.Dense(1, dtype=self.dtype_policy)

    def build_discriminator(self, dimensions: int) -> None:
        """Makes the weights of the discriminator and the slots of its optimizer.

        Args:
            dimensions: D, number of elements of z.
        """
        self.features.build((None, dimensions))
        self.logit.build(self.features.compute_output_shape((None, dimensions)))
        self._make_optimizer()

    def _make_optimizer(self) -> None:
        config = dict(self._optimizer)
        config["config"] = {"gradient_accumulation_steps": self._batches} | {
            name: value for name, value in config["config"].items() if value is not None
        }
        self.optimizer = keras.optimizers.deserialize(config)
        self.optimizer.build(self.own_weights)

    def accumulate(self, batches: int | None) -> None:
        """Lets the discriminator's gradients accumulate as the model's.

        An accumulation that the optimizer was given by the caller stays.

        Args:
            batches: How many batches an update of the model is made of; None: each batch is one.
        """
        if batches == self._batches:
            return
        self._batches = batches
        if self.optimizer is not None:
            self._make_optimizer()

    @property
    def own_weights(self) -> list:
        """The discriminator's weights."""
        return self.features.trainable_weights + self.logit.trainable_weights

    def log_ratio(self, z: tf.Tensor) -> tf.Tensor:
        """The discriminator's estimate of log q(z) − Σ_j log q(z_j).

        Args:
            z: `[batch, D]`.

        Returns:
            Nats, `[batch]`.
        """
        return self.logit(self.features(z))[:, 0]

    def _flat(self, output: VAEOutput) -> tf.Tensor:
        z = one_group(
            output, "FactorVAE", "the dimensions of a hierarchy are made to depend on each other"
        ).z
        if not z.dtype.is_floating:
            raise UserError(
                f"FactorVAE sends the gradient through z, and {output.latents[0].posterior.name} "
                f"draws values of type {z.dtype.name}: take a reparameterized posterior"
            )
        return tf.reshape(z, [-1, math.prod(z.shape[1:])])

    def call(
        self, x: tf.Tensor, output: VAEOutput, *, step=0, weights: tf.Tensor | None = None
    ) -> ObjectiveOutput:
        """Computes the loss of a batch, nats per example."""
        z = self._flat(output)
        if self.optimizer is None:
            self.build_discriminator(z.shape[1])
        correlation = self.log_ratio(z)
        bound = elbo(x, output, kl=self.kl)
        loss = -bound.elbo + self.gamma(step) * correlation
        terms = self.elbo_terms(x, output, bound)
        return ObjectiveOutput(loss, {**terms, "total_correlation": correlation})

    def own_terms(
        self, x: tf.Tensor, output: VAEOutput, *, seed, weights: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """The discriminator's loss on the batch's draws: log 2 = 0.69 where it knows nothing."""
        z = tf.stop_gradient(self._flat(output))
        everyone, start = global_batch(z)
        if weights is not None:
            weights, _ = global_batch(weights)
        shuffled = permute_dimensions(everyone, seed, weights=weights)
        shuffled = shuffled[start : start + tf.shape(z)[0]]
        real, fake = self.log_ratio(z), self.log_ratio(shuffled)
        return {"discriminator_loss": 0.5 * (tf.nn.softplus(-real) + tf.nn.softplus(fake))}

    def update(
        self,
        x: tf.Tensor,
        output: VAEOutput,
        *,
        step=0,
        seed=None,
        weights: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Takes one step of the discriminator's optimizer on the batch's draws."""
        with tf.GradientTape() as tape:
            terms = self.own_terms(x, output, seed=seed, weights=weights)
            loss = batch_mean(terms["discriminator_loss"], weights)
        gradients = tape.gradient(loss, self.own_weights)
        apply_gradients(self.optimizer, gradients, self.own_weights)
        return terms

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        config.pop("samples")
        return {
            **config,
            "units": self.features.hidden,
            "optimizer": self._optimizer,
            "learning_rate": self._learning_rate,
        }
