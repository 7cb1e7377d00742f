"""The ELBO with its rate in three parts, each with a weight of its own."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf

from tfvae.distributions.elbo import elbo
from tfvae.distributions.types import ObjectiveOutput, VAEOutput
from tfvae.errors import UserError
from tfvae.objectives.base import Objective
from tfvae.objectives.latents import one_group
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.objectives.total_correlation import log_aggregate_posterior
from tfvae.options.bounds import Examples, Weight
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Scheduled

__all__ = ["BetaTCVAE"]


@keras.saving.register_keras_serializable(package="tfvae")
class BetaTCVAE(Objective):
    """The beta-TCVAE: loss = distortion + α I(x; z) + β TC(z) + γ Σ_j KL(q(z_j) ‖ p(z_j)).

    In the mean over the data set the three parts add to the rate: mutual information, total
    correlation and dimension-wise KL of the aggregate posterior q(z), which is estimated from the
    (global) batch by minibatch stratified sampling, with sample weights that of the weighted data
    set. The mutual information is computed as the
    rate without the other two, so that the noise of the estimate has no part in α: the loss is
    distortion + α rate + (β − α) TC + (γ − α) KL, and with α = β = γ = 1 it is the negative ELBO.

    Terms beside the ELBO's: `mutual_information`, `total_correlation`, `dimension_wise_kl`, nats.

    Args:
        beta: β. As the next two, a number, a schedule of `tfvae.schedules` or of Keras, or a
            function of the step.
        alpha: α.
        gamma: γ.
        examples: N, size of the training set; None: each `fit` counts its own, where it can.
        kl: How the rate is computed, see `Objective`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: When it is trained and N is unknown; when it first sees a posterior whose
            elements have no density of their own (neither factorized nor normal), or several
            latent groups.

    Example:
        >>> model = tfvae.VAE(encoder, decoder, objective=BetaTCVAE(beta=6.0))

    References:
        Chen, Li, Grosse, Duvenaud, "Isolating Sources of Disentanglement in VAEs", 2018, Eq. 4;
        Appendix C.2 (the estimate).
    """

    needs_examples = True
    alpha = ScheduledNumber()
    beta = ScheduledNumber()
    gamma = ScheduledNumber()

    def __init__(
        self,
        beta: Weight | Scheduled = 6.0,
        *,
        alpha: Weight | Scheduled = 1.0,
        gamma: Weight | Scheduled = 1.0,
        examples: Examples | None = None,
        kl: Literal["auto", "analytic", "monte_carlo"] = "auto",
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(kl=kl, **kwargs)
        self.alpha, self.beta, self.gamma = alpha, beta, gamma
        self.examples = examples

    def call(
        self, x: tf.Tensor, output: VAEOutput, *, step=0, weights: tf.Tensor | None = None
    ) -> ObjectiveOutput:
        """Computes the loss of a batch, nats per example."""
        latent = one_group(
            output, "BetaTCVAE", "q(z) is compared with its marginals over one set of examples"
        )
        if self.examples is None and self.built:
            raise UserError(
                "the size of the training set is unknown: give BetaTCVAE(examples=...), or "
                "assign objective.examples"
            )
        # While the model is built there is no training set yet: the batch stands for it.
        joint, marginals = log_aggregate_posterior(
            latent.z, latent.posterior, self.examples, weights=weights
        )
        bound = elbo(x, output, kl=self.kl)
        correlation = joint - marginals
        dimension_wise = marginals - latent.prior.log_prob(latent.z)
        alpha = self.alpha(step)
        loss = bound.distortion + alpha * bound.rate
        loss += (self.beta(step) - alpha) * correlation
        loss += (self.gamma(step) - alpha) * dimension_wise
        terms = {
            **self.elbo_terms(x, output, bound),
            "mutual_information": bound.rate - correlation - dimension_wise,
            "total_correlation": correlation,
            "dimension_wise_kl": dimension_wise,
        }
        return ObjectiveOutput(loss, terms)

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        config.pop("samples")
        return {**config, "examples": self._examples, "counted_examples": self.counted_examples}

    @classmethod
    def from_config(cls, config: dict) -> BetaTCVAE:
        """Makes the objective of its configuration, with what `fit` has counted."""
        config = dict(config)
        counted = config.pop("counted_examples", None)
        objective = super().from_config(config)
        objective.counted_examples = counted
        return objective
