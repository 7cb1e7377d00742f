"""The VAE-GAN: the reconstruction is measured in the features of a discriminator."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf

from tfvae.distribute import fold_in
from tfvae.distributions.elbo import elbo
from tfvae.distributions.supports import support_of
from tfvae.distributions.types import ObjectiveOutput, VAEOutput
from tfvae.objectives.adversary import Adversarial, discriminator_loss, hidden_layers
from tfvae.objectives.latents import networks_of, one_group, refuse_no_gradient
from tfvae.objectives.made_examples import binary_draws, prior_draws
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.options.bounds import Positive, Weight, Widths
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Scheduled

__all__ = ["VaeGan"]

REASON = "the discriminator sees what is decoded from draws of its prior"


@keras.saving.register_keras_serializable(package="tfvae")
class VaeGan(Adversarial):
    """The VAE-GAN: loss = β rate + ½‖f(x) − f(x̃)‖² − λ ½ (log D(x̃) + log D(x_p)), x̃, x_p decoded.

    The discriminator D tells data x from what is decoded from codes, x̃, and from draws of the
    prior, x_p; f are its hidden features. The distance of features stands in the place of the
    distortion, for encoder and decoder; the last part trains the decoder alone. With γ = 1/λ the
    decoder's step is the paper's. D takes a step of its own loss after each of the model's, on the
    same x and x̃ and as many draws x_p.

    What D sees of p(x|z) is its mean, and of 0 and 1, which a mean would give away, draws, whose
    gradient is that of the mean. Levels and counts it sees on the scale that encoders do.

    `elbo`, `distortion`, `rate` and `log_prob` are those of the likelihood p(x|z), bounds and an
    estimate of log p(x) as ever; of them the rate alone is minimised, and the mean of p(x|z) is all
    of it that is trained: a scale of its own stays as it was. No likelihoods, and not comparable
    between models or steps, are `similarity`, ½‖f(x) − f(x̃)‖², `generator_loss`, the part behind λ,
    and `discriminator_loss`; the last two are log 2 = 0.69 where D knows nothing.

    Args:
        strength: λ; as the next, a number, a schedule of `tfvae.schedules` or of Keras, or a
            function of the step.
        beta: β, the variance of the features in the normal density that ½‖·‖² comes from. The
            paper has 1, for the features of convolutions, whose squares are hundreds; a distance
            that is small beside the rate leaves the codes without x.
        features: D's hidden layers, a Keras layer from x to vectors; None: an MLP of `units`.
        units: Units of these, leaky ReLU (slope 0.2).
        optimizer: The discriminator's: the name of a Keras optimizer (`"adam"` with decays of 0.5
            and 0.9), or an optimizer.
        learning_rate: Of an optimizer that is given by name.
        kl: How the rate is computed, see `Objective`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If there are no units; when it first sees several latent groups or draws without
            a gradient.

    Example:
        >>> model = tfvae.VAE(encoder, decoder, objective=VaeGan(strength=2.0))

    References:
        Larsen, Sønderby, Larochelle, Winther, "Autoencoding beyond pixels using a learned
        similarity metric", 2016, Eq. 7-8 and Algorithm 1.
    """

    strength = ScheduledNumber(low=0.0)
    beta = ScheduledNumber(low=0.0)

    def __init__(
        self,
        strength: Weight | Scheduled = 0.1,
        *,
        beta: Weight | Scheduled = 0.01,
        features: keras.layers.Layer | None = None,
        units: Widths = (256, 256),
        optimizer: str | dict | keras.optimizers.Optimizer = "adam",
        learning_rate: Positive = 1e-4,
        kl: Literal["auto", "analytic", "monte_carlo"] = "auto",
        **kwargs: Unpack[LayerOptions],
    ):
        made = hidden_layers(units, kwargs.get("dtype")) if features is None else features
        super().__init__(made, optimizer, learning_rate, kl=kl, **kwargs)
        self._own_features, self.units = features is not None, [int(n) for n in units]
        self.strength, self.beta = strength, beta

    @property
    def directions(self) -> dict[str, str]:
        """The distance of the features is to fall."""
        return {**super().directions, "similarity": "min"}

    def call(
        self, x: tf.Tensor, output: VAEOutput, *, step=0, seed: tf.Tensor | None = None
    ) -> ObjectiveOutput:
        """Computes the loss of a batch, per example."""
        name = type(self).__name__
        latent = one_group(output, name, REASON)
        refuse_no_gradient(latent, name)
        decode = networks_of(output, name).decode
        if self.optimizer is None:
            self.build_discriminator(*x.shape[1:])
        real = support_of(output.likelihood).scaled(x)
        difference = self._of(real)[0] - self._of(self._shown(output.likelihood, seed))[0]
        similarity = 0.5 * tf.reduce_sum(difference**2, axis=1)
        # Another call of the decoder, for the gradient is not to reach the encoder.
        pairs = [tf.stop_gradient(latent.z), prior_draws(output, fold_in(seed, 1))]
        logits = [self.log_ratio(self._shown(decode(z), seed)) for z in pairs]
        fooled = 0.5 * tf.add_n([tf.nn.softplus(-logit) for logit in logits])
        bound = elbo(x, output, kl=self.kl)
        loss = self.beta(step) * bound.rate + similarity + self.strength(step) * fooled
        terms = self.elbo_terms(x, output, bound)
        return ObjectiveOutput(loss, {**terms, "similarity": similarity, "generator_loss": fooled})

    def _of(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The discriminator's features, `[batch, size]`, and its logit, `[batch]`."""
        features = tf.cast(self.features(inputs), self.variable_dtype)
        features = tf.reshape(features, [tf.shape(inputs)[0], -1])
        return features, self.logit(features)[:, 0]

    def _shown(self, likelihood, seed: tf.Tensor) -> tf.Tensor:
        """What the discriminator sees of p(x|z), `[batch, *event]`."""
        mean, support = likelihood.mean(), support_of(likelihood)
        if support.levels != 2 or support.symbol_axes:
            return support.scaled(mean)
        return binary_draws(mean, seed)

    def own_terms(
        self, x: tf.Tensor, output: VAEOutput, *, seed, weights: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """The discriminator's loss on the batch, what is decoded of its codes, and of the prior."""
        decode = networks_of(output, type(self).__name__).decode
        seed = fold_in(seed, 1)  # that of the objective's noise in the same step
        of_prior = decode(prior_draws(output, fold_in(seed, 1)))
        shown = [self._shown(likelihood, seed) for likelihood in (output.likelihood, of_prior)]
        real = self.log_ratio(support_of(output.likelihood).scaled(x))
        losses = [discriminator_loss(real, self.log_ratio(tf.stop_gradient(s))) for s in shown]
        return {"discriminator_loss": 0.5 * tf.add_n(losses)}

    def get_config(self) -> dict:
        """Configuration for saving."""
        features = self.features if self._own_features else None
        made = None if features is None else keras.saving.serialize_keras_object(features)
        return {
            **super().get_config(),
            "features": made,
            "units": self.units,
        }
