"""Targets of the rate for continuous and for discrete latent variables."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import concrete
from tfvae.distributions.divergences import kl_divergence
from tfvae.distributions.elbo import elbo
from tfvae.distributions.product import Product
from tfvae.distributions.spaces import DISCRETE, ONE_HOT, space_of
from tfvae.distributions.types import Latent, ObjectiveOutput, VAEOutput
from tfvae.objectives.base import Objective
from tfvae.objectives.global_mean import global_mean
from tfvae.objectives.latents import one_group
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.options.bounds import Weight
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Scheduled

tfd = tfp.distributions

__all__ = ["JointCapacity"]


def parts_of(latent: Latent) -> list[Latent]:
    """The parts of a group whose posterior and prior are products; else the group itself."""
    posterior, prior = concrete(latent.posterior), concrete(latent.prior)
    if not (isinstance(posterior, Product) and isinstance(prior, Product)):
        return [latent]
    parts = zip(posterior.split(latent.z), posterior.parts, prior.parts, strict=True)
    return [Latent(*part) for part in parts]


@keras.saving.register_keras_serializable(package="tfvae")
class JointCapacity(Objective):
    """The loss of JointVAE: the rate of each kind of latent variable is held at a target.

    loss = −E_q log p(x|z, c) + γ |mean KL(q(z|x) ‖ p(z)) − C_z| + γ |mean KL(q(c|x) ‖ p(c)) − C_c|

    with continuous z and discrete c; the means are over the global batch, weighted where there are
    sample weights. C_c is at most log K nats of each discrete variable, the most that it can tell.
    Without a target of their own discrete variables would be left unused. Relaxed ones, which are
    no more discrete, count as continuous: take straight-through ones. The terms
    `continuous_rate` and `discrete_rate` are the two rates, nats.

    Args:
        gamma: γ.
        continuous: C_z, nats.
        discrete: C_c, nats.
        kl: `"auto"`, `"analytic"` or `"monte_carlo"`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> rising = tfvae.schedules.Linear(0.0, 5.0, steps=25_000)
        >>> objective = JointCapacity(30.0, continuous=rising, discrete=rising)

    References:
        Dupont, "Learning Disentangled Joint Continuous and Discrete Representations", 2018, Eq. 7.
    """

    gamma = ScheduledNumber(low=0.0)
    continuous = ScheduledNumber(low=0.0)
    discrete = ScheduledNumber(low=0.0)

    def __init__(
        self,
        gamma: Weight | Scheduled = 30.0,
        continuous: Weight | Scheduled = 5.0,
        discrete: Weight | Scheduled = 5.0,
        *,
        kl: Literal["auto", "analytic", "monte_carlo"] = "auto",
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(kl=kl, **kwargs)
        self.gamma, self.continuous, self.discrete = gamma, continuous, discrete

    def call(
        self, x: tf.Tensor, output: VAEOutput, *, step=0, weights: tf.Tensor | None = None
    ) -> ObjectiveOutput:
        """Computes the loss of a batch, nats per example."""
        latent = one_group(output, "JointCapacity", "its parts are those of one posterior")
        bound = elbo(x, output, kl=self.kl)
        rates = {kind: tf.zeros_like(bound.rate) for kind in ("continuous", "discrete")}
        most = 0.0
        for part in parts_of(latent):
            discrete = space_of(part.posterior) in (ONE_HOT, DISCRETE)
            rates["discrete" if discrete else "continuous"] += kl_divergence(part, self.kl)
            if discrete:
                most += tf.reduce_mean(part.prior.entropy())
        targets = {
            "continuous": self.continuous(step),
            "discrete": tf.minimum(self.discrete(step), most),
        }
        loss = bound.distortion
        for kind, rate in rates.items():
            excess = rate - targets[kind]
            loss += self.gamma(step) * tf.sign(global_mean(excess, weights)) * excess
        terms = {f"{kind}_rate": rate for kind, rate in rates.items()}
        return ObjectiveOutput(loss, {**self.elbo_terms(x, output, bound), **terms})
