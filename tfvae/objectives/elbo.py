"""The evidence lower bound, and its weighted, floored and targeted forms."""

from __future__ import annotations

import numbers
from typing import Literal

import keras
import tensorflow as tf

from tfvae.distribute import all_replicas_sum
from tfvae.distributions.divergences import distortion_and_rates
from tfvae.distributions.types import ObjectiveOutput, VAEOutput
from tfvae.errors import UserError
from tfvae.objectives.base import Objective
from tfvae.options.bounds import Count, Weight
from tfvae.schedules import Schedule, get

__all__ = ["ELBO"]


def _mean_over_replicas(values: tf.Tensor) -> tf.Tensor:
    """The mean of `[batch]` over the global batch, as a constant of the gradient."""
    values = tf.stop_gradient(values)
    total = tf.stack([tf.reduce_sum(values), tf.cast(tf.size(values), values.dtype)])
    total = all_replicas_sum(total)
    return total[0] / tf.maximum(total[1], 1.0)


@keras.saving.register_keras_serializable(package="tfvae")
class ELBO(Objective):
    """The negative ELBO: loss = −E_q log p(x|z) + β KL(q(z|x) ‖ p(z)).

    With `free_bits` λ, a group's rate counts as max(λ, mean of its KL over the batch): below λ
    nats there is no pressure on it. With `capacity` C, the rate is held at C instead of pressed
    down: loss = distortion + β |mean KL − C|. The logged `elbo` is the unweighted one always.

    Args:
        beta: Weight of the rate, a number or a schedule.
        free_bits: λ, nats per latent group (one group for a flat model), a number or a schedule.
        capacity: C, nats, a number or a schedule; None: no target. Not with `free_bits`.
        samples: Posterior samples per example, over which the distortion is averaged.
        kl: `"auto"`, `"analytic"` or `"monte_carlo"`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If both `free_bits` and `capacity` are given, or a number is negative.

    Example:
        >>> warm_up = ELBO(beta=tfvae.schedules.Linear(0.0, 1.0, steps=10_000))

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, Eq. 7.
        Higgins et al., "beta-VAE", 2017, Eq. 4 (beta).
        Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow", 2016,
        Eq. 15 of Appendix C.8 (free bits).
        Burgess et al., "Understanding Disentangling in beta-VAE", 2018, Eq. 8 (capacity).
    """

    def __init__(
        self,
        beta: Weight | Schedule = 1.0,
        *,
        free_bits: Weight | Schedule | None = None,
        capacity: Weight | Schedule | None = None,
        samples: Count = 1,
        kl: Literal["auto", "analytic", "monte_carlo"] = "auto",
        **kwargs,
    ):
        if samples != int(samples) or samples < 1:
            raise UserError(f"samples takes an integer from 1, got {samples!r}")
        super().__init__(samples=None if samples == 1 else int(samples), kl=kl, **kwargs)
        if free_bits is not None and capacity is not None:
            raise UserError("free_bits and capacity exclude each other: give one of them")
        for name, value in [("beta", beta), ("free_bits", free_bits), ("capacity", capacity)]:
            if isinstance(value, numbers.Real) and value < 0:
                raise UserError(f"{name} takes a number from 0, got {value!r}")
        self.beta = get(beta)
        self.free_bits = None if free_bits is None else get(free_bits)
        self.capacity = None if capacity is None else get(capacity)

    @property
    def per_example(self) -> bool:
        """Whether there is neither a floor nor a target for the batch's mean rate."""
        return self.free_bits is None and self.capacity is None

    def call(self, x: tf.Tensor, output: VAEOutput, *, step=0) -> ObjectiveOutput:
        """Computes the loss of a batch, nats per example."""
        distortion, rates = distortion_and_rates(x, output, self.kl)
        rate = tf.add_n(rates)
        penalty = rate
        if self.free_bits is not None:
            floor = self.free_bits(step)
            # Per example, so that the mean over the batch is max(floor, mean rate).
            penalty = tf.add_n(
                [
                    tf.where(_mean_over_replicas(r) > floor, r, floor * tf.ones_like(r))
                    for r in rates
                ]
            )
        elif self.capacity is not None:
            excess = rate - self.capacity(step)
            penalty = tf.sign(_mean_over_replicas(excess)) * excess
        loss = distortion + self.beta(step) * penalty
        return ObjectiveOutput(loss, self.elbo_terms(x, output, distortion, rate))

    def get_config(self) -> dict:
        """Configuration for saving."""
        parts = {"beta": self.beta, "free_bits": self.free_bits, "capacity": self.capacity}
        return {
            **super().get_config(),
            "samples": self.samples or 1,
            **{k: keras.saving.serialize_keras_object(v) for k, v in parts.items()},
        }
