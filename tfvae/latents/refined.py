"""The base of the structures that carry a posterior's draws on, by the density of the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import concrete, returned
from tfvae.distributions.spaces import check_same_space, space_of
from tfvae.distributions.types import Latent
from tfvae.errors import UserError, unknown_name
from tfvae.latents.base import LatentStructure, ungated
from tfvae.latents.one_group import OneGroup
from tfvae.latents.paired import Paired, in_two
from tfvae.latents.tempered_flow import TemperedFlow
from tfvae.layers.sizes import count_of
from tfvae.options.bounds import Depth, Positive, Share
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior

tfd = tfp.distributions

__all__ = ["TEMPERINGS", "Refined"]

TEMPERINGS = ("none", "fixed", "free")


def _logit(share: float) -> float:
    return math.log(share) - math.log1p(-share)


class Refined(LatentStructure):
    """Base: z₀ ~ q(z|x) gets a momentum ρ₀, and both flow along the gradient of log p(x, z).

    What is drawn is the pair (z_K, ρ_K), whose density is that of (z₀, ρ₀) by the determinant of
    the flow; it is held against p(z) p(ρ|z). So with any objective the bound is one of log p(x),
    and `log_prob` an importance-weighted estimate of it. The decoder takes z_K.

    `vae.encode` gives what the encoder returns, the distribution of z₀, and `vae.prior` is p(z).

    The momentum is hot at the start, ρ₀ ~ p(ρ|z₀) / √β₀, and cooled behind each of the K steps,
    ρ ← α_k ρ with Π α_k = √β₀: a flow that keeps the energy alone would leave the bound as it is.

    - `"none"`: β₀ = 1.
    - `"fixed"`: β₀ is learned, 1/√β_k = 1/√β₀ + (1 − 1/√β₀) k²/K² and α_k = √β_(k−1)/√β_k.
    - `"free"`: every α_k below 1 is learned.

    A concrete structure defines `momentum` and `integrator`.

    Args:
        prior: p(z), on all real numbers; None: the standard normal.
        steps: K.
        step_size: ε at the start, of each element of z; it is learned, from 0 to `max_step`.
        max_step: The largest ε.
        tempering: `"none"`, `"fixed"` or `"free"`.
        beta_zero: β₀ at the start, above 0 and below 1.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        prior: Prior | None = None,
        *,
        steps: Depth = 3,
        step_size: Positive = 0.05,
        max_step: Positive = 0.5,
        tempering: Literal["none", "fixed", "free"] = "fixed",
        beta_zero: Share = 0.5,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(**kwargs)
        if tempering not in TEMPERINGS:
            raise unknown_name("tempering", tempering, TEMPERINGS)
        if not 0 < beta_zero < 1:
            raise UserError(f"beta_zero takes a number above 0 and below 1, got {beta_zero!r}")
        if not 0 < step_size < max_step:
            raise UserError(
                f"step_size={step_size!r} and max_step={max_step!r}: give a step size above 0 and "
                "below max_step"
            )
        self.group = OneGroup(prior, dtype=self.dtype_policy)
        self.steps = count_of("steps", steps)
        self.step_size, self.max_step = float(step_size), float(max_step)
        self.tempering, self.beta_zero = tempering, float(beta_zero)

    @property
    def prior(self) -> Prior:
        """The layer of p(z)."""
        return self.group.prior

    def momentum(self, z: tf.Tensor, beta) -> tfd.Distribution:
        """p(ρ|z) with its precision times beta, of z's batch and event shape."""
        raise NotImplementedError(f"{type(self).__name__} has to define momentum(z, beta)")

    def integrator(self, force: Callable, step_size: tf.Tensor) -> Callable:
        """One time step, see `TemperedFlow`, of size `[*event]`."""
        raise NotImplementedError(f"{type(self).__name__} has to define integrator(...)")

    def force(self, log_joint: Callable[[tf.Tensor], tf.Tensor]) -> Callable:
        """The gradient of log p(x, z), or what else moves the momentum, as a function of z."""

        def force(z):
            with tf.GradientTape() as tape:
                tape.watch(z)
                value = log_joint(z)
            return tape.gradient(value, z, unconnected_gradients=tf.UnconnectedGradients.ZERO)

        return force

    def connect(self, encode: Callable[..., tfd.Distribution]) -> None:
        """Hands the encoder on to the prior."""
        self.group.connect(encode)

    def prepare(self, encoded, data_shape: Sequence[int], context=None) -> None:
        """Builds the prior and the weights of the flow."""
        if self.built:
            return
        encoded = returned("encoder", encoded)
        if encoded.reparameterization_type != tfd.FULLY_REPARAMETERIZED:
            raise UserError(
                f"{type(self).__name__} sends the gradient through the draws, and those of "
                f"{encoded.name} pass none on: take a reparameterized posterior"
            )
        space = space_of(encoded)
        if space is not None and space.name != "all real numbers":
            raise UserError(
                f"{type(self).__name__} moves z freely, and the posterior {encoded.name} is on "
                f"{space}: take one on all real numbers, such as IndependentNormal"
            )
        self.group.prepare(encoded, data_shape, context)
        self.event_shape = self.group.event_shape
        self.make_weights()
        self.built = True

    def make_weights(self) -> None:
        """Makes the weights, which are functions of all real numbers, for z of `event_shape`."""

        def weight(name, shape, value):
            start = keras.initializers.Constant(value)
            return self.add_weight(name=name, shape=shape, initializer=start, autocast=False)

        self.raw_step = weight("step", self.event_shape, _logit(self.step_size / self.max_step))
        if self.tempering == "fixed":
            self.raw_beta = weight("beta_zero", (), _logit(self.beta_zero))
        elif self.tempering == "free":
            each = self.beta_zero ** (0.5 / self.steps)
            self.raw_factors = weight("factors", (self.steps,), _logit(each))

    def factors(self) -> tf.Tensor:
        """The factors α_k of the momentum, `[steps]`, whose product is √β₀."""
        if self.tempering == "free":
            return tf.sigmoid(tf.convert_to_tensor(self.raw_factors))
        if self.tempering == "none":
            return tf.ones([self.steps], self.variable_dtype)
        hot = tf.math.rsqrt(tf.sigmoid(tf.convert_to_tensor(self.raw_beta)))
        place = tf.constant(np.linspace(0, 1, self.steps + 1) ** 2, self.variable_dtype)
        inverse_roots = hot + (1 - hot) * place  # 1/√β_k, from k = 0 to K
        return inverse_roots[1:] / inverse_roots[:-1]

    def adapt(self, batches: Iterable) -> None:
        """Lets the prior look at the data."""
        self.group.adapt(batches)

    def call(self, context=None) -> tfd.Distribution:
        """Makes the prior p(z)."""
        return self.group(context)

    def posterior(self, encoded, context=None) -> tfd.Distribution:
        """What the encoder returned: the distribution of z₀."""
        return encoded

    def refine(self, encoded, log_likelihood: Callable, context=None) -> tfd.Distribution:
        """The distribution of (z_K, ρ_K), `[batch, 2, *event]`."""
        start, prior = concrete(encoded), self.prior(context=context)
        check_same_space(start, prior)
        step_size = self.max_step * tf.sigmoid(tf.convert_to_tensor(self.raw_step))
        force = self.force(lambda z: log_likelihood(z) + prior.log_prob(z))
        factors, name = self.factors(), type(self).__name__
        beta = tf.square(tf.reduce_prod(factors))
        flow = TemperedFlow(self.integrator(force, step_size), force, factors, self.event_shape)
        pair = Paired(start, lambda z: self.momentum(z, beta), f"{start.name}WithMomentum")
        return tfd.TransformedDistribution(pair, flow, name=name)

    def infer(
        self,
        encoded,
        *,
        context=None,
        samples: int | None = None,
        seed=None,
        gate: Callable = ungated,
        training: bool = False,
    ) -> tuple[tuple[Latent, ...], tf.Tensor]:
        """Draws (z_K, ρ_K) and holds it beside p(z) p(ρ|z)."""
        prior = self.prior(context=context)
        prior = Paired(prior, lambda z: self.momentum(z, 1.0), f"{prior.name}WithMomentum")
        pair, weights = gate(encoded.sample(() if samples is None else (samples,), seed=seed))
        z, _ = in_two(pair, len(self.event_shape))
        return (Latent(pair, encoded, prior, gradient_weights=weights),), z

    def generate(self, n: int, *, context=None, seed=None, temperature=1.0) -> tf.Tensor:
        """Draws n times from the prior."""
        return self.group.generate(n, context=context, seed=seed, temperature=temperature)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "prior": keras.saving.serialize_keras_object(self.prior),
            "steps": self.steps,
            "step_size": self.step_size,
            "max_step": self.max_step,
            "tempering": self.tempering,
            "beta_zero": self.beta_zero,
        }

    @classmethod
    def from_config(cls, config: dict) -> Refined:
        """Makes the structure of its configuration."""
        return cls(**{**config, "prior": keras.saving.deserialize_keras_object(config["prior"])})
