"""The ELBO with the total correlation estimated by a discriminator."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf

from tfvae.distribute import global_batch
from tfvae.distributions.elbo import elbo
from tfvae.distributions.types import ObjectiveOutput, VAEOutput
from tfvae.objectives.adversary import (
    Adversarial,
    discriminator_loss,
    flat_codes,
    hidden_layers,
)
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.options.bounds import Positive, Weight, Widths
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Scheduled

__all__ = ["FactorVAE", "permute_dimensions"]

REASON = "the dimensions of a hierarchy are made to depend on each other"


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
class FactorVAE(Adversarial):
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
        features = hidden_layers(units, kwargs.get("dtype"))
        super().__init__(features, optimizer, learning_rate, kl=kl, **kwargs)
        self.gamma = gamma

    def call(
        self, x: tf.Tensor, output: VAEOutput, *, step=0, weights: tf.Tensor | None = None
    ) -> ObjectiveOutput:
        """Computes the loss of a batch, nats per example."""
        z = flat_codes(output, "FactorVAE", REASON)
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
        z = tf.stop_gradient(flat_codes(output, "FactorVAE", REASON))
        everyone, start = global_batch(z)
        if weights is not None:
            weights, _ = global_batch(weights)
        shuffled = permute_dimensions(everyone, seed, weights=weights)
        shuffled = shuffled[start : start + tf.shape(z)[0]]
        real, fake = self.log_ratio(z), self.log_ratio(shuffled)
        return {"discriminator_loss": discriminator_loss(real, fake)}

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "units": self.features.hidden}
