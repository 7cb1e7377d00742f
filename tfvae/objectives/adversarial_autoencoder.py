"""The adversarial autoencoder: a discriminator holds all codes together to the prior."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf

from tfvae.distributions.elbo import elbo
from tfvae.distributions.types import ObjectiveOutput, VAEOutput
from tfvae.objectives.adversary import (
    Adversarial,
    discriminator_loss,
    flat_codes,
    hidden_layers,
)
from tfvae.objectives.latents import refuse_no_gradient, shared_prior
from tfvae.objectives.made_examples import prior_draws
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.options.bounds import Positive, Weight, Widths
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Scheduled

__all__ = ["AdversarialAutoencoder"]

NAME = "AdversarialAutoencoder"
REASON = "the codes of all examples are held against one prior"


@keras.saving.register_keras_serializable(package="tfvae")
class AdversarialAutoencoder(Adversarial):
    """The adversarial autoencoder: loss = distortion − λ log D(z), D from draws of the prior.

    The discriminator D tells draws of the prior p(z) from the codes, draws of the aggregate
    posterior q(z) = E_x q(z|x): its logit estimates log p(z) − log q(z). The encoder is trained to
    be taken for the prior, beside the distortion, in the place of the rate. Any prior that can be
    drawn from will do, and any posterior whose draws carry a gradient: the layer `Deterministic`,
    as in most of the paper, has no ELBO and no log p(x); one with noise has both, and nothing
    keeps its rate low. The weights of a prior are not trained.

    D takes a step of its own loss, ½ (−log D(draw of p) − log(1 − D(z))), after each of the
    model's, on as many draws as there are codes in the (global) batch. With sample weights, codes
    and draws are weighed alike.

    Terms beside the ELBO's: `adversarial_loss`, −log D(z), and `discriminator_loss`; log 2 = 0.69
    each, where codes and draws cannot be told apart.

    Args:
        strength: λ. The distortion is summed over the event, so that it is large for large data.
        units: Units of the discriminator's layers, leaky ReLU (slope 0.2).
        optimizer: The discriminator's: the name of a Keras optimizer (`"adam"` with decays of 0.5
            and 0.9), or an optimizer.
        learning_rate: Of an optimizer that is given by name.
        kl: How the logged rate is computed, see `Objective`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If there are no units; when it first sees several latent groups, a posterior
            without reparameterized draws or a prior that depends on a context.

    Example:
        >>> model = tfvae.VAE(encoder, decoder, objective=AdversarialAutoencoder(strength=5.0))

    References:
        Makhzani, Shlens, Jaitly, Goodfellow, Frey, "Adversarial Autoencoders", 2016, Section 2.
    """

    strength = ScheduledNumber(low=0.0)

    def __init__(
        self,
        strength: Weight | Scheduled = 2.0,
        *,
        units: Widths = (256, 256),
        optimizer: str | dict | keras.optimizers.Optimizer = "adam",
        learning_rate: Positive = 1e-3,
        kl: Literal["auto", "analytic", "monte_carlo"] = "auto",
        **kwargs: Unpack[LayerOptions],
    ):
        features = hidden_layers(units, kwargs.get("dtype"))
        super().__init__(features, optimizer, learning_rate, kl=kl, **kwargs)
        self.strength = strength

    @property
    def directions(self) -> dict[str, str]:
        """The encoder's loss is to fall."""
        return {**super().directions, "adversarial_loss": "min"}

    def call(self, x: tf.Tensor, output: VAEOutput, *, step=0) -> ObjectiveOutput:
        """Computes the loss of a batch, nats per example."""
        z = flat_codes(output, NAME, REASON)
        (latent,) = output.latents
        refuse_no_gradient(latent, NAME)
        shared_prior(latent, NAME)
        if self.optimizer is None:
            self.build_discriminator(z.shape[1])
        adversarial = tf.nn.softplus(-self.log_ratio(z))
        bound = elbo(x, output, kl=self.kl)
        terms = {**self.elbo_terms(x, output, bound), "adversarial_loss": adversarial}
        return ObjectiveOutput(bound.distortion + self.strength(step) * adversarial, terms)

    def own_terms(
        self, x: tf.Tensor, output: VAEOutput, *, seed, weights: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """The discriminator's loss on the batch's codes and as many draws of the prior."""
        z = tf.stop_gradient(flat_codes(output, NAME, REASON))
        prior = tf.reshape(prior_draws(output, seed), tf.shape(z))
        real, fake = self.log_ratio(prior), self.log_ratio(z)
        return {"discriminator_loss": discriminator_loss(real, fake)}

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "units": self.features.hidden}
