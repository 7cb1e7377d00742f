"""The regularized autoencoder: a code without noise, and a decoder that is held smooth."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf

from tfvae.distributions.elbo import elbo
from tfvae.distributions.types import ObjectiveOutput, VAEOutput
from tfvae.objectives.base import Objective
from tfvae.objectives.latents import networks_of, one_group, refuse_no_gradient
from tfvae.objectives.scheduled_number import ScheduledNumber
from tfvae.options.bounds import Weight
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.schedules import Constant, Schedule, Scheduled

__all__ = ["RegularizedAutoencoder"]


@keras.saving.register_keras_serializable(package="tfvae")
class RegularizedAutoencoder(Objective):
    """The RAE: loss = distortion + β ½‖z‖² + λ ½‖∂μ(z)/∂z‖² + δ ½‖θ‖², μ the decoder's mean.

    What noise in the code does for the decoder of a VAE, an explicit regularization does here:
    near codes are decoded alike. It is one of the gradient penalty (λ), the weight decay of the
    decoder's weights θ (δ), and a spectral normalization of the decoder, a layer of its own. The
    code's norm keeps the codes from growing in its place. The squared Frobenius norm of the
    Jacobian is that of random combinations of the outputs, E_v ‖∂ vᵀμ/∂z‖² with signs v, which
    are the same for all examples of a step.

    The posterior is the layer `Deterministic`, which has no rate: no bound of log p(x) is trained,
    and none is logged. A density of z is fitted to the codes when the training is over. With a
    posterior that has noise the ELBO is logged, and is not what is minimised.

    Terms, none of them in the units of a likelihood: `code_norm`, ½‖z‖², `gradient_norm` and
    `weight_norm`, likewise, where they have a weight.

    Args:
        code: β; as the others a number, a schedule of `tfvae.schedules` or of Keras, or a function
            of the step.
        gradient: λ. 0: no gradient is computed.
        decay: δ, for all weights of the decoder.
        kl: How the logged rate is computed, see `Objective`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If a number is negative; when it first sees several latent groups, or draws
            without a gradient.

    Example:
        >>> model = tfvae.recipes.vae(
        ...     (8, 8, 1), posterior="deterministic", objective=RegularizedAutoencoder(gradient=0.1)
        ... )

    References:
        Ghosh, Sajjadi, Vergari, Black, Schölkopf, "From Variational to Deterministic Autoencoders",
        2020, Eq. 9-11.
    """

    code = ScheduledNumber(low=0.0)
    gradient = ScheduledNumber(low=0.0)
    decay = ScheduledNumber(low=0.0)

    def __init__(
        self,
        code: Weight | Scheduled = 0.01,
        *,
        gradient: Weight | Scheduled = 0.0,
        decay: Weight | Scheduled = 0.0,
        kl: Literal["auto", "analytic", "monte_carlo"] = "auto",
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(kl=kl, **kwargs)
        self.code, self.gradient, self.decay = code, gradient, decay

    @property
    def per_example(self) -> bool:
        """True: the weights' norm is a number beside the examples, and is added to each."""
        return True

    def call(self, x: tf.Tensor, output: VAEOutput, *, step=0, seed=None) -> ObjectiveOutput:
        """Computes the loss of a batch, per example."""
        name = type(self).__name__
        latent = one_group(output, name, "there is one code to be held small")
        refuse_no_gradient(latent, name)
        bound = elbo(x, output, kl=self.kl)
        terms = self.elbo_terms(x, output, bound)
        terms["code_norm"] = _half_square(latent.z)
        loss = bound.distortion + self.code(step) * terms["code_norm"]
        if _has_weight(self.gradient):
            networks = networks_of(output, name)
            terms["gradient_norm"] = _gradient_norm(networks.decode, latent.z, seed)
            loss += self.gradient(step) * terms["gradient_norm"]
        if _has_weight(self.decay):
            weights = networks_of(output, name).decoder.trainable_weights
            norm = tf.add_n([tf.nn.l2_loss(tf.convert_to_tensor(weight)) for weight in weights])
            terms["weight_norm"] = tf.fill(tf.shape(loss), tf.cast(norm, loss.dtype))
            loss += self.decay(step) * terms["weight_norm"]
        return ObjectiveOutput(loss, terms)

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        config.pop("samples")
        return config


def _has_weight(schedule: Schedule) -> bool:
    return not (isinstance(schedule, Constant) and schedule.constant == 0)


def _half_square(values: tf.Tensor) -> tf.Tensor:
    """½‖·‖² of each example, `[batch]`."""
    return 0.5 * tf.reduce_sum(values**2, axis=list(range(1, values.shape.rank)))


def _gradient_norm(decode, z: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """½‖∂μ/∂z‖² in expectation over the seed, `[batch]`."""
    with tf.GradientTape() as tape:
        tape.watch(z)
        mean = decode(z).mean()
        uniform = tf.random.stateless_uniform(mean.shape[1:], seed, -1.0, 1.0)
        combined = tf.reduce_sum(mean * tf.cast(tf.sign(uniform), mean.dtype))
    # While the model is built no tape records, see `tf.init_scope`.
    gradient = tape.gradient(combined, z, unconnected_gradients="zero")
    return _half_square(gradient)
