"""The ELBO as a constrained problem: a multiplier holds the distortion at a target."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf

from tfvae.distribute import all_replicas_sum
from tfvae.distributions.elbo import elbo
from tfvae.distributions.types import ObjectiveOutput, VAEOutput
from tfvae.errors import UserError
from tfvae.objectives.base import Objective
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.options.bounds import Count, Momentum, Positive
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Scheduled

__all__ = ["GECO"]

LARGEST = 14.0  # of |log λ|: a target that cannot be reached does not lead to infinity


@keras.saving.register_keras_serializable(package="tfvae")
class GECO(Objective):
    """GECO: the smallest rate of a distortion that is held at a target, loss = rate + λ D·C.

    The constraint is C = distortion/D − κ ≤ 0 in the mean over the data, in nats for each of the D
    elements of x. Its multiplier λ begins at 1, where the loss is the negative ELBO and a constant,
    and is a weight of the objective: after each step of the model, log λ rises by η times the
    moving mean of C over the (global) batches, with sample weights the weighted one. So λ rises
    while the distortion is above the target, and falls when it is below, without a weight β of the
    rate to be searched for: it ends at 1/λ. Multiplier and moving mean are saved with the model.

    Terms beside the ELBO's: `constraint`, C for each example, and `multiplier`, λ.

    Args:
        target: κ, nats for each element of x, below zero for a density; a number, a schedule of
            `tfvae.schedules` or of Keras, or a function of the step.
        rate: η, of the multiplier.
        momentum: Of the moving mean; in the first step it is the batch's.
        samples: Posterior samples per example, over which the distortion is averaged.
        kl: How the rate is computed, see `Objective`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If `samples` is no integer from 1, `rate` is not above 0 or `momentum` is not
            from 0 below 1.

    Example:
        >>> model = tfvae.VAE(encoder, decoder, objective=GECO(target=0.2))

    References:
        Rezende and Viola, "Taming VAEs", 2018, Algorithm 1.
    """

    target = ScheduledNumber()

    def __init__(
        self,
        target: float | Scheduled = 0.2,
        *,
        rate: Positive = 0.01,
        momentum: Momentum = 0.9,
        samples: Count = 1,
        kl: Literal["auto", "analytic", "monte_carlo"] = "auto",
        **kwargs: Unpack[LayerOptions],
    ):
        if samples != int(samples) or samples < 1:
            raise UserError(f"samples takes an integer from 1, got {samples!r}")
        if not rate > 0:
            raise UserError(f"rate takes a number above 0, got {rate!r}")
        if not 0 <= momentum < 1:
            raise UserError(f"momentum takes a number from 0 below 1, got {momentum!r}")
        super().__init__(samples=None if samples == 1 else int(samples), kl=kl, **kwargs)
        self.target = target
        self.rate, self.momentum = rate, momentum
        self._batches = 1
        # Made when it first sees an output: weights belong to the strategy that they are made in.
        self.log_multiplier, self.moving_constraint = None, None

    def build_multiplier(self) -> None:
        """Makes the weights."""
        # Trained, but by `update`: each replica computes the same values.
        made = {"shape": (), "initializer": "zeros", "aggregation": "only_first_replica"}
        self.log_multiplier = self.add_weight(name="log_multiplier", **made)
        self.moving_constraint = self.add_weight(name="moving_constraint", **made)

    @property
    def own_weights(self) -> list:
        """The multiplier's logarithm and the moving mean of the constraint."""
        return [w for w in (self.log_multiplier, self.moving_constraint) if w is not None]

    @property
    def directions(self) -> dict[str, str]:
        """The constraint is to fall."""
        return {**super().directions, "constraint": "min"}

    def accumulate(self, batches: int | None) -> None:
        """Lets the multiplier take steps of the size that fits as many batches to an update."""
        self._batches = batches or 1

    def call(
        self, x: tf.Tensor, output: VAEOutput, *, step=0, weights: tf.Tensor | None = None
    ) -> ObjectiveOutput:
        """Computes the loss of a batch, nats per example."""
        if self.log_multiplier is None:
            self.build_multiplier()
        bound = elbo(x, output, kl=self.kl)
        elements = tf.cast(tf.reduce_prod(tf.shape(x)[1:]), bound.elbo.dtype)
        constraint = bound.distortion / elements - self.target(step)
        multiplier = tf.exp(tf.stop_gradient(tf.convert_to_tensor(self.log_multiplier)))
        terms = {
            **self.elbo_terms(x, output, bound),
            "constraint": constraint,
            "multiplier": tf.fill(tf.shape(constraint), multiplier),
        }
        return ObjectiveOutput(bound.rate + multiplier * elements * constraint, terms)

    def update(
        self,
        x: tf.Tensor,
        output: VAEOutput,
        *,
        step=0,
        seed=None,
        weights: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Takes one step of the multiplier."""
        constraint = self.call(x, output, step=step).terms["constraint"]
        weights = tf.ones_like(constraint) if weights is None else weights
        weights = tf.cast(weights, constraint.dtype)
        total = tf.stack([tf.reduce_sum(weights * constraint), tf.reduce_sum(weights)])
        total = all_replicas_sum(total)
        before = tf.convert_to_tensor(self.moving_constraint)
        momentum = tf.cast(tf.where(tf.equal(step, 0), 0.0, self.momentum), constraint.dtype)
        now = momentum * before + (1.0 - momentum) * tf.math.divide_no_nan(total[0], total[1])
        self.moving_constraint.assign(now)
        log = tf.convert_to_tensor(self.log_multiplier) + self.rate / self._batches * now
        self.log_multiplier.assign(tf.clip_by_value(log, -LARGEST, LARGEST))
        return {}

    def get_config(self) -> dict:
        """Configuration for saving."""
        own = {"rate": self.rate, "momentum": self.momentum}
        return {**super().get_config(), **own, "samples": self.samples or 1}
