"""The soft-introspective VAE: the encoder itself tells data from what the decoder makes."""

from __future__ import annotations

import math
from typing import Literal

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import fold_in
from tfvae.distributions.aside import aside
from tfvae.distributions.divergences import kl_divergence
from tfvae.distributions.elbo import elbo
from tfvae.distributions.types import Latent, ObjectiveOutput, VAEOutput
from tfvae.objectives.base import Objective
from tfvae.objectives.latents import networks_of, one_group, refuse_no_gradient
from tfvae.objectives.made_examples import made_examples, prior_draws, replica_seed_of
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.options.bounds import Positive, Weight
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Scheduled

tfd = tfp.distributions

__all__ = ["SoftIntroVAE"]

REASON = "what is decoded from draws of its prior is encoded again"


@keras.saving.register_keras_serializable(package="tfvae")
class SoftIntroVAE(Objective):
    """The soft-introspective VAE: examples that the decoder makes are pushed down by the encoder.

    The loss has two sides, each with the other network's weights as constants:

    encoder: −ELBO_β(x) + n/α mean_f exp(−α/n (distortion(f) + β₋ rate(f)))
    decoder: −ELBO_β(x) + β mean_f rate(f)

    Made examples f are what is decoded from the code of x and from a draw of the prior; n is the
    number of elements of x. The encoder gives them a high rate, in the exponential's soft limit,
    and the decoder makes them such that it does not: without a discriminator the two play a game
    whose solution has the data's ELBO. Both take their step at once. Of discrete data
    made examples are draws of p(x|z) with the gradient of its mean, else its mean.

    `elbo`, `distortion`, `rate` and `log_prob` are of the data as ever. `made_rate`, the rate of
    made examples, and `made_loss`, the encoder's exponential part, say how the game stands.

    Args:
        strength: Weight of both parts beside −ELBO, 1 in the paper; 0: the VAE.
        beta: β, weight of the rate, of the data and for the decoder; as the others, a number, a
            schedule of `tfvae.schedules` or of Keras, or a function of the step.
        beta_negative: β₋, weight of the rate of made examples for the encoder: the higher, the
            sooner it lets go.
        sharpness: α.
        kl: How the rate is computed, see `Objective`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If a number is negative; when it first sees several latent groups or draws
            without a gradient.

    Example:
        >>> model = tfvae.VAE(encoder, decoder, objective=SoftIntroVAE(beta_negative=64.0))

    References:
        Daniel and Tamar, "Soft-IntroVAE: Analyzing and Improving the Introspective Variational
        Autoencoder", 2021, Eq. 4 and Algorithm 1.
    """

    strength = ScheduledNumber(low=0.0)
    beta = ScheduledNumber(low=0.0)
    beta_negative = ScheduledNumber(low=0.0)

    def __init__(
        self,
        strength: Weight | Scheduled = 1.0,
        *,
        beta: Weight | Scheduled = 1.0,
        beta_negative: Weight | Scheduled = 64.0,
        sharpness: Positive = 2.0,
        kl: Literal["auto", "analytic", "monte_carlo"] = "auto",
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(kl=kl, **kwargs)
        self.strength, self.beta, self.beta_negative = strength, beta, beta_negative
        self.sharpness = float(sharpness)

    @property
    def per_example(self) -> bool:
        """True: each example is made of its own code and of a draw of its own."""
        return True

    def call(
        self, x: tf.Tensor, output: VAEOutput, *, step=0, seed: tf.Tensor | None = None
    ) -> ObjectiveOutput:
        """Computes the loss of a batch, nats per example."""
        name = type(self).__name__
        latent = one_group(output, name, REASON)
        refuse_no_gradient(latent, name)
        bound = elbo(x, output, kl=self.kl)
        codes = [tf.stop_gradient(latent.z), prior_draws(output, fold_in(seed, 1))]
        parts = [
            self._made(output, z, fold_in(seed, 2 + i), step, math.prod(x.shape[1:]))
            for i, z in enumerate(codes)
        ]
        made_loss, made_rate = (0.5 * tf.add_n(list(part)) for part in zip(*parts, strict=True))
        game = made_loss + self.beta(step) * made_rate
        loss = bound.distortion + self.beta(step) * bound.rate + self.strength(step) * game
        terms = self.elbo_terms(x, output, bound)
        return ObjectiveOutput(loss, {**terms, "made_rate": made_rate, "made_loss": made_loss})

    def _made(self, output: VAEOutput, z, seed, step, size: int) -> tuple[tf.Tensor, tf.Tensor]:
        """The parts of what is decoded from codes: the encoder's and the decoder's, `[batch]`."""
        networks = networks_of(output, type(self).__name__)
        made = made_examples(networks.decode(z), fold_in(seed, 1))
        noise = replica_seed_of(output, seed)

        def rate_of(posterior: tfd.Distribution) -> tuple[tf.Tensor, tf.Tensor]:
            draw = posterior.sample(seed=noise)
            rate = kl_divergence(Latent(draw, posterior, networks.prior()), self.kl)
            return draw, tf.maximum(rate, 0.0)  # an estimate may be below, and is in an exponential

        with aside(networks.encoder, networks.latents):
            _, of_decoder = rate_of(networks.encode(made))
        made = tf.stop_gradient(made)
        with aside(networks.decoder, networks.latents):
            again, rate = rate_of(networks.encode(made))
            distortion = -networks.decode(again).log_prob(made)
        sharpness = self.sharpness / size
        soft = tf.exp(-sharpness * (distortion + self.beta_negative(step) * rate)) / sharpness
        return soft, of_decoder

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        config.pop("samples")
        return {**config, "sharpness": self.sharpness}
