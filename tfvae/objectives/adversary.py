"""The base of the objectives with an adversary: a discriminator that they train themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from tfvae.distribute import batch_mean
from tfvae.distribute.updates import apply_gradients
from tfvae.distributions.types import VAEOutput
from tfvae.errors import UserError
from tfvae.networks import MLP
from tfvae.objectives.base import Objective
from tfvae.objectives.latents import one_group
from tfvae.optimizers import optimizer_class
from tfvae.options.keywords import ImportanceOptions, Unpack

__all__ = ["Adversarial", "discriminator_loss", "flat_codes", "hidden_layers"]


def discriminator_loss(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """½ (−log D(real) − log(1 − D(fake))) of the logits of D: log 2 = 0.69 where it knows nothing.

    Args:
        real: Logits of draws of the one kind, `[batch]`.
        fake: Logits of draws of the other kind, `[batch]`.

    Returns:
        Nats, `[batch]`.

    Example:
        >>> discriminator_loss(tf.zeros([1]), tf.zeros([1])).numpy().round(2)
        array([0.69], dtype=float32)

    References:
        Goodfellow et al., "Generative Adversarial Nets", 2014, Eq. 1.
    """
    return 0.5 * (tf.nn.softplus(-real) + tf.nn.softplus(fake))


def hidden_layers(units: Sequence[int], dtype: object = None) -> MLP:
    """A discriminator's hidden layers, leaky ReLU of slope 0.2.

    Args:
        units: Units of each.
        dtype: As of `keras.layers.Layer`; None: that of the weights under the global policy.

    Returns:
        The layers.

    Raises:
        UserError: If there are none.
    """
    if not units or any(n != int(n) or n < 1 for n in units):
        raise UserError(f"units takes positive whole numbers, got {units!r}")
    return MLP(units, "leaky_relu", dtype=dtype or keras.config.dtype_policy().variable_dtype)


def flat_codes(output: VAEOutput, objective: str, reason: str) -> tf.Tensor:
    """The draws of one group of latent variables as vectors.

    Args:
        output: What the model returned.
        objective: Name of the objective that sends its gradient through them.
        reason: Why it takes one group alone.

    Returns:
        `[batch, D]`.

    Raises:
        UserError: If there are several groups, or codes of integers.
    """
    z = one_group(output, objective, reason).z
    if not z.dtype.is_floating:
        raise UserError(
            f"{objective} sends the gradient through z, and {output.latents[0].posterior.name} "
            f"draws values of type {z.dtype.name}: take a reparameterized posterior"
        )
    return tf.reshape(z, [-1, math.prod(z.shape[1:])])


class Adversarial(Objective):
    """Base: an objective with a discriminator D, which it trains by a loss of its own.

    D is `logit(features(input))`. It takes one step after each of the model's, on the same batch,
    by its own optimizer; neither step's gradient reaches the other's weights. Discriminator and
    optimizer are saved with the model, take one and the same step on all replicas, and accumulate
    gradients as the model does. A concrete objective defines `call`, which builds the
    discriminator when it first sees an input of it, and `own_terms`, with D's loss.

    Args:
        features: The discriminator's hidden layers, from `[batch, *shape]` to vectors.
        optimizer: The discriminator's: the name of a Keras optimizer (`"adam"` with decays of 0.5
            and 0.9), or an optimizer.
        learning_rate: Of an optimizer that is given by name.
        **kwargs: `kl`, see `Objective`; arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        features: keras.layers.Layer,
        optimizer: str | dict | keras.optimizers.Optimizer,
        learning_rate: float,
        **kwargs: Unpack[ImportanceOptions],
    ):
        super().__init__(**kwargs)
        # Made anew in `build_discriminator`: an optimizer belongs to the strategy it is made in.
        self._learning_rate = learning_rate
        if isinstance(optimizer, str):
            optimizer = _named(optimizer, learning_rate)
        self._optimizer = keras.optimizers.serialize(keras.optimizers.get(optimizer))
        self.optimizer, self._batches = None, None
        self.features = features
        self.logit = keras.layers.Dense(1, dtype=self.dtype_policy)

    def build_discriminator(self, *shape: int) -> None:
        """Makes the weights of the discriminator and the slots of its optimizer.

        Args:
            *shape: Shape of one input, such as D for a code of D numbers.
        """
        if not self.features.built:  # a layer of the user's may be, as from a file
            self.features.build((None, *shape))
        self.logit.build(self.features.compute_output_shape((None, *shape)))
        self._make_optimizer()

    def _make_optimizer(self) -> None:
        config = dict(self._optimizer)
        config["config"] = {"gradient_accumulation_steps": self._batches} | {
            name: value for name, value in config["config"].items() if value is not None
        }
        self.optimizer = keras.optimizers.deserialize(config)
        self.optimizer.build(self.own_weights)

    def accumulate(self, batches: int | None) -> None:
        """Lets the discriminator's gradients accumulate as the model's.

        An accumulation that the optimizer was given by the caller stays.

        Args:
            batches: How many batches an update of the model is made of; None: each batch is one.
        """
        if batches == self._batches:
            return
        self._batches = batches
        if self.optimizer is not None:
            self._make_optimizer()

    @property
    def own_weights(self) -> list:
        """The discriminator's weights."""
        return self.features.trainable_weights + self.logit.trainable_weights

    def log_ratio(self, inputs: tf.Tensor) -> tf.Tensor:
        """The discriminator's logit: its estimate of the log ratio of the two densities.

        Args:
            inputs: `[batch, *shape]`.

        Returns:
            Nats, `[batch]`.
        """
        return self.logit(self.features(inputs))[:, 0]

    def update(
        self,
        x: tf.Tensor,
        output: VAEOutput,
        *,
        step=0,
        seed=None,
        weights: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Takes one step of the discriminator's optimizer on the batch."""
        with tf.GradientTape() as tape:
            terms = self.own_terms(x, output, seed=seed, weights=weights)
            loss = batch_mean(terms["discriminator_loss"], weights)
        gradients = tape.gradient(loss, self.own_weights)
        apply_gradients(self.optimizer, gradients, self.own_weights)
        return terms

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        config.pop("samples")
        return {**config, "optimizer": self._optimizer, "learning_rate": self._learning_rate}


def _named(optimizer: str, learning_rate: float) -> keras.optimizers.Optimizer:
    """The optimizer of a name; Adam with the decays of FactorVAE's paper."""
    if optimizer == "adam":
        return keras.optimizers.Adam(learning_rate, beta_1=0.5, beta_2=0.9)
    return optimizer_class(optimizer)(learning_rate)
