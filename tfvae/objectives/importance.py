"""What the importance-weighted objectives share: bounds of K weights and their three gradients."""

from __future__ import annotations

import math
import numbers
from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.divergences import log_importance_weights
from tfvae.distributions.elbo import elbo
from tfvae.distributions.evidence import no_evidence
from tfvae.distributions.point import has_density
from tfvae.distributions.types import ObjectiveOutput, VAEOutput
from tfvae.errors import UserError, unknown_name
from tfvae.objectives.base import Objective
from tfvae.objectives.latents import one_group, refuse_no_gradient
from tfvae.options.keywords import ImportanceOptions, Unpack

tfd = tfp.distributions

__all__ = ["GRADIENTS", "Combined", "ImportanceWeighted", "effective_samples", "without_score"]

GRADIENTS = ("plain", "stl", "dreg")


class Combined(NamedTuple):
    """What a bound makes of the log weights of its draws.

    Attributes:
        bound: `[M, batch]`, nats.
        weights: w̃, how much each draw counts, `[M, K, batch]`; the sum over K is 1.
        factors: What the gradient of every draw is multiplied by for `"dreg"`, `[M, K, batch]`.
    """

    bound: tf.Tensor
    weights: tf.Tensor
    factors: tf.Tensor


def without_score(posterior: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
    """Zero, whose gradient cancels that of −log q(z) in q's parameters at a fixed z."""
    score = posterior.log_prob(tf.stop_gradient(z))
    return score - tf.stop_gradient(score)


def effective_samples(weights: tf.Tensor) -> tf.Tensor:
    """How many of the K draws carry the weight, from 1 to K, `[batch]`."""
    return tf.reduce_mean(1.0 / tf.reduce_sum(weights**2, axis=1), axis=0)


class ImportanceWeighted(Objective):
    """Base: the negative mean of M bounds, log 1/K Σ_k w_k with w_k = p(x, z_k) / q(z_k|x).

    The value is the same for the three gradients; the encoder's gradient is not. With w̃_k =
    w_k / Σ_j w_j, and the sums over the K draws of a bound:

    - `"plain"`: Σ w̃_k ∇ log w_k, the gradient of the bound as it stands.
    - `"stl"`, sticking the landing: the same without the score ∂/∂φ log q_φ(z) at a fixed z, so
      that it vanishes where q is the true posterior. Its expectation is the plain one for K = 1
      and differs for K > 1.
    - `"dreg"`, doubly reparameterized: Σ w̃_k² ∂ log w_k/∂z_k · ∂z_k/∂φ, of the plain one's
      expectation for every K. The decoder and the prior get the plain gradient.

    A bound of another form overrides `combine`.

    Args:
        bounds: M, the number of independent bounds.
        samples: K, the number of draws in each.
        gradient: `"plain"`, `"stl"` or `"dreg"`.
        **kwargs: `kl`, of the logged rate alone; arguments of `keras.layers.Layer`.

    References:
        Roeder, Wu, Duvenaud, "Sticking the Landing", 2017, Eq. 8 (stl).
        Tucker, Lawson, Gu, Maddison, "Doubly Reparameterized Gradient Estimators for Monte Carlo
        Objectives", 2019, Eq. 8 (dreg).
    """

    def __init__(
        self, bounds: int, samples: int, gradient: str, **kwargs: Unpack[ImportanceOptions]
    ):
        for name, value in [("bounds", bounds), ("samples", samples)]:
            if not isinstance(value, numbers.Real) or value != int(value) or value < 1:
                raise UserError(f"{name} takes an integer from 1, got {value!r}")
        if gradient not in GRADIENTS:
            raise unknown_name("gradient", gradient, GRADIENTS)
        super().__init__(samples=int(bounds) * int(samples), **kwargs)
        self.bounds = int(bounds)
        self.gradient = gradient

    @property
    def per_example(self) -> bool:
        """True: the weights of an example's draws are compared with each other alone."""
        return True

    @property
    def directions(self) -> dict[str, str]:
        """The bound is to rise, as the ELBO is."""
        return {**super().directions, self._bound: "max"}

    @property
    def _bound(self) -> str:
        """Name of the bound among the terms."""
        return f"{type(self).__name__.lower()}_bound"

    @property
    def weighs_draws(self) -> bool:
        """Whether the encoder's gradient through a draw differs from what comes back to it."""
        return self.gradient == "dreg"

    def gate(self, z: tf.Tensor) -> tuple[tf.Tensor, list | None]:
        """The identity; for DReG, the gradient that comes back is multiplied by w̃.

        What stands behind the gate (decoder, prior, log q(z)) sees the upstream gradient; what
        stands before it, the encoder, that times w̃, which is known only when the decoder has
        seen the draws: `call` puts it into the list. A draw that no objective has seen keeps its
        gradient.

        Args:
            z: A draw of the posterior, `[samples, batch, *event]`.

        Returns:
            The same values, and for DReG the list that w̃ is put into.
        """
        if not self.weighs_draws:
            return z, None
        gradient_weights = []

        @tf.custom_gradient
        def identity(z):
            def backward(upstream):
                for weights in gradient_weights[-1:]:
                    ones = [1] * (upstream.shape.rank - weights.shape.rank)
                    shape = tf.concat([tf.shape(weights), ones], axis=0)
                    upstream *= tf.cast(tf.reshape(weights, shape), upstream.dtype)
                return upstream

            return tf.identity(z), backward

        return identity(z), gradient_weights

    def combine(self, log_weights: tf.Tensor, step) -> Combined:
        """The bounds, log 1/K Σ_k w_k.

        Args:
            log_weights: log w, `[M, K, batch]`.
            step: Training steps taken so far.

        Returns:
            The bounds; w̃ and the factors of the encoder's gradient as constants.
        """
        bound = tf.reduce_logsumexp(log_weights, axis=1) - math.log(log_weights.shape[1])
        weights = tf.stop_gradient(tf.nn.softmax(log_weights, axis=1))
        return Combined(bound, weights, weights)

    def grouped(self, log_weights: tf.Tensor) -> tf.Tensor:
        """The log weights of all draws, `[M·K, batch]`, by bounds: `[M, K, batch]`."""
        size = self.samples // self.bounds
        shape = tf.concat([[self.bounds, size], tf.shape(log_weights)[1:]], axis=0)
        return tf.ensure_shape(tf.reshape(log_weights, shape), [self.bounds, size, None])

    def weigh_gradient(self, output: VAEOutput, factors: tf.Tensor) -> None:
        """Hands the gate the factors of the encoder's gradient, `[M, K, batch]`."""
        flat = tf.concat([[self.samples], tf.shape(factors)[2:]], axis=0)
        output.latents[0].gradient_weights.append(tf.reshape(factors, flat))

    def call(
        self, x: tf.Tensor, output: VAEOutput, *, step=0, weights: tf.Tensor | None = None
    ) -> ObjectiveOutput:
        """Computes the loss of a batch, nats per example; beside the ELBO's terms the bound."""
        self._check(output)
        log_weights = log_importance_weights(x, output)
        if self.gradient != "plain":
            log_weights += tf.add_n([without_score(q.posterior, q.z) for q in output.latents])
        combined = self.combine(self.grouped(log_weights), step)
        if self.weighs_draws:
            self.weigh_gradient(output, combined.factors)
        bound = tf.reduce_mean(combined.bound, axis=0)
        terms = self.elbo_terms(x, output, elbo(x, output, kl=self.kl))
        terms |= {self._bound: bound, "effective_samples": effective_samples(combined.weights)}
        return ObjectiveOutput(-bound, terms)

    @property
    def _weigher(self) -> tuple[str, str]:
        """What weighs the draws' gradients, and what may be taken in its place."""
        return "gradient='dreg'", "gradient='stl' or 'plain'"

    def _check(self, output: VAEOutput) -> None:
        name = type(self).__name__
        for latent in output.latents:
            if not has_density(latent.posterior):
                raise UserError(
                    f"{name} weighs {self.samples} draws by the posterior's density, and "
                    f"{latent.posterior.name} is a deterministic code, which has none: take ELBO"
                )
            refuse_no_gradient(latent, name)
        missing = no_evidence(output)
        if missing is not None:
            raise UserError(
                f"{name} weighs draws by p(x, z) / q(z|x), and {missing.reason}: {missing.remedy}, "
                "or the objective ELBO"
            )
        if self.weighs_draws:
            who, remedy = self._weigher
            latent = one_group(
                output,
                who,
                "the gradient of a lower group would be weighed once more at each group above: "
                f"take {remedy}",
            )
            if latent.gradient_weights is None:
                raise UserError(
                    f"{who} has to see every draw where it is made: let the latent "
                    "structure's `infer` pass it through `gate`, and keep what that returns"
                )

    def get_config(self) -> dict:
        """Configuration for saving."""
        samples = self.samples // self.bounds
        return {**super().get_config(), "samples": samples, "gradient": self.gradient}
