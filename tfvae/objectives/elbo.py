"""The evidence lower bound, and its weighted, floored and targeted forms."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf

from tfvae.distributions.elbo import EvidenceLowerBound, elbo
from tfvae.distributions.point import has_density
from tfvae.distributions.types import ObjectiveOutput, VAEOutput
from tfvae.errors import UserError, unknown_name
from tfvae.objectives.balancing import balance_weights
from tfvae.objectives.base import Objective
from tfvae.objectives.global_mean import global_mean
from tfvae.objectives.importance import without_score
from tfvae.objectives.latents import refuse_no_gradient
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.options.bounds import Count, Share, Weight
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Scheduled

__all__ = ["ELBO"]

GRADIENTS = ("plain", "stl")


@keras.saving.register_keras_serializable(package="tfvae")
class ELBO(Objective):
    """The negative ELBO: loss = −E_q log p(x|z) + β KL(q(z|x) ‖ p(z)).

    With `free_bits` λ, a group's rate counts as max(λ, mean of its KL over the batch): below λ
    nats there is no pressure on it. With `capacity` C, the rate is held at C instead of pressed
    down: loss = distortion + β |mean KL − C|. With `balance` b, a group's rate weighs
    1 − b + b times its share of all rates, for each of its variables, see `balance_weights`: the
    groups of a hierarchy are pressed down in proportion to what they carry. With sample weights
    these means are weighted. The logged `elbo` is the one of β = 1 always.

    Args:
        beta: Weight of the rate. As the next two, a number, a schedule of `tfvae.schedules` or of
            Keras, or a function of the step; `objective.beta = 0.5` works at any time.
        free_bits: λ, nats per latent group (one group for a flat model).
        capacity: C, nats; None: no target. Not with `free_bits`.
        balance: b, from 0 to 1, for a model of several groups; the paper has 1 in its warm-up and 0
            thereafter, `Linear(1.0, 0.0, steps)`. Not with `capacity`.
        samples: Posterior samples per example, over which the distortion is averaged.
        kl: `"auto"`, `"analytic"` or `"monte_carlo"`.
        gradient: `"plain"`; `"stl"`, sticking the landing: the rate is estimated at the draws, and
            its gradient leaves out the score ∂/∂φ log q_φ(z) at a fixed z, whose expectation is
            zero. So it vanishes, with its variance, where q is the true posterior.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If both `free_bits` and `capacity` are given, a number is negative, or the
            gradient is unknown or asked for beside `kl="analytic"`.

    Example:
        >>> warm_up = ELBO(beta=tfvae.schedules.Linear(0.0, 1.0, steps=10_000))

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, Eq. 7.
        Higgins et al., "beta-VAE", 2017, Eq. 4 (beta).
        Roeder, Wu, Duvenaud, "Sticking the Landing", 2017, Eq. 8 (stl).
        Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow", 2016,
        Eq. 15 of Appendix C.8 (free bits).
        Burgess et al., "Understanding Disentangling in beta-VAE", 2018, Eq. 8 (capacity).
        Vahdat and Kautz, "NVAE: A Deep Hierarchical Variational Autoencoder", 2020, Appendix A
        (balance).
    """

    beta = ScheduledNumber(low=0.0)
    free_bits = ScheduledNumber(low=0.0, optional=True, instead_of="capacity")
    capacity = ScheduledNumber(low=0.0, optional=True, instead_of="free_bits")
    balance = ScheduledNumber(low=0.0, high=1.0, optional=True)

    def __init__(
        self,
        beta: Weight | Scheduled = 1.0,
        *,
        free_bits: Weight | Scheduled | None = None,
        capacity: Weight | Scheduled | None = None,
        balance: Share | Scheduled | None = None,
        samples: Count = 1,
        kl: Literal["auto", "analytic", "monte_carlo"] = "auto",
        gradient: Literal["plain", "stl"] = "plain",
        **kwargs: Unpack[LayerOptions],
    ):
        if gradient not in GRADIENTS:
            raise unknown_name("gradient", gradient, GRADIENTS)
        if gradient == "stl" and kl == "analytic":
            raise UserError(
                "gradient='stl' is one of a rate that is estimated at the draws: leave out "
                "kl='analytic', or the gradient"
            )
        if samples != int(samples) or samples < 1:
            raise UserError(f"samples takes an integer from 1, got {samples!r}")
        super().__init__(samples=None if samples == 1 else int(samples), kl=kl, **kwargs)
        self.gradient = gradient
        self.beta = beta
        self.free_bits = free_bits
        self.capacity = capacity
        self.balance = balance

    @property
    def per_example(self) -> bool:
        """Whether nothing depends on the batch's mean rate: no floor, no target, no balance."""
        return all(n is None for n in (self.free_bits, self.capacity, self.balance))

    def call(
        self, x: tf.Tensor, output: VAEOutput, *, step=0, weights: tf.Tensor | None = None
    ) -> ObjectiveOutput:
        """Computes the loss of a batch, nats per example."""
        bound = self.bound(x, output)
        rates = bound.rates
        if self.free_bits is not None:
            floor = self.free_bits(step)
            # Per example, so that the mean over the batch is max(floor, mean rate).
            rates = [
                tf.where(global_mean(rate, weights) > floor, rate, floor * tf.ones_like(rate))
                for rate in rates
            ]
        if self.balance is not None:
            factors = self._factors(bound, output, step, weights)
            rates = [factor * rate for factor, rate in zip(factors, rates, strict=True)]
        penalty = tf.add_n(list(rates))
        if self.capacity is not None:
            excess = penalty - self.capacity(step)
            penalty = tf.sign(global_mean(excess, weights)) * excess
        loss = bound.distortion + self.beta(step) * penalty
        return ObjectiveOutput(loss, self.elbo_terms(x, output, bound))

    def _factors(
        self, bound: EvidenceLowerBound, output: VAEOutput, step, weights: tf.Tensor | None
    ) -> list[tf.Tensor]:
        """What balances the rates of the groups."""
        if self.capacity is not None:
            raise UserError(
                "balance weighs the rates of the groups, and capacity holds their sum at a target: "
                "give one of them, and None for the other"
            )
        means = [global_mean(rate, weights) for rate in bound.rates]
        sizes = [latent.posterior.event_shape.num_elements() for latent in output.latents]
        return balance_weights(means, sizes, tf.cast(self.balance(step), means[0].dtype))

    def bound(self, x: tf.Tensor, output: VAEOutput) -> EvidenceLowerBound:
        """The bound, whose gradient is the one that was asked for."""
        if self.gradient == "plain":
            return elbo(x, output, kl=self.kl)
        for latent in output.latents:
            if not has_density(latent.posterior):
                raise UserError(
                    "gradient='stl' leaves out the score of the posterior's density, and "
                    f"{latent.posterior.name} is one point, which has none: take 'plain'"
                )
            refuse_no_gradient(latent, "gradient='stl'")
        bound = elbo(x, output, kl="monte_carlo")
        zeros = [without_score(latent.posterior, latent.z) for latent in output.latents]
        zeros = [tf.reduce_mean(zero, axis=0) if zero.shape.rank == 2 else zero for zero in zeros]
        rates = tuple(rate - zero for rate, zero in zip(bound.rates, zeros, strict=True))
        rate = tf.add_n(rates)
        return EvidenceLowerBound(-bound.distortion - rate, bound.distortion, rate, rates)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "samples": self.samples or 1, "gradient": self.gradient}
