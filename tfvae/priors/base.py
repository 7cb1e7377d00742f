"""The base of all priors."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import returned
from tfvae.distributions.moments import mean_of
from tfvae.distributions.types import Latent
from tfvae.errors import UserError
from tfvae.layers.base import event_shape_of
from tfvae.priors.temperature import tempered

tfd = tfp.distributions

__all__ = ["Prior"]


class Prior(keras.layers.Layer):
    """Base of the priors: p(z), a distribution with weights and no input.

    A concrete prior defines `call` and, if it has weights, makes them with `add_weight` in
    `build(event_shape)`. The distribution is built anew at each call, for a distribution that
    keeps a Keras variable keeps its first value.

    How z is inferred belongs to the prior as well: a hierarchy draws its groups in turn, each
    given those above, and overrides `prepare`, `infer`, `means`, `code` and `generate`.

    Args:
        event_shape: Shape of z; None: it is learned from the posterior when the model is built.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        encode: q(z|x) of the model that the prior is part of, a function of (x, context=None),
            for priors made of posteriors. The model sets it.
    """

    encode = None

    def __init__(self, event_shape: int | Sequence[int] | None = None, **kwargs):
        # Probability is float32 under a mixed precision policy too.
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        self.event_shape = None if event_shape is None else event_shape_of(event_shape)

    @property
    def code_shape(self) -> tuple[int, ...] | None:
        """Shape of one code, which the decoder takes; None before the prior is built."""
        return self.event_shape

    def build(self, event_shape=None, data_shape=None):
        """Makes the weights for events of this shape.

        Args:
            event_shape: Shape of z, as the posterior has it.
            data_shape: Shape of x, for priors that look at data.
        """
        if self.event_shape is None:
            self.event_shape = event_shape_of(event_shape)

    def __call__(self, *args, **kwargs) -> tfd.Distribution:
        """Makes the distribution; see `call`. Keras would build it for the context's shape."""
        if not self.built:
            if self.event_shape is None:
                raise UserError(
                    f"{self.name} does not know the shape of z yet: give it event_shape, or the "
                    "model data"
                )
            self.build(self.event_shape)
        return super().__call__(*args, **kwargs)

    def call(self, context=None) -> tfd.Distribution:
        """Makes the distribution.

        Args:
            context: What a conditional prior is conditioned on, `[batch, ...]`.

        Returns:
            p(z), batch shape `[]`, or `[batch]` with a context; a prior that does not depend on
            the context may leave the batch shape `[]`.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define call(context)")

    def prepare(self, encoded, data_shape: Sequence[int], context=None) -> None:
        """Builds the prior, if it is not yet, for what an encoder returns.

        Args:
            encoded: What the encoder returned.
            data_shape: Shape of x.
            context: Context of the prior.

        Raises:
            UserError: If it does not fit the prior.
        """
        if self.built:
            return
        event = tuple(returned("encoder", self.posterior(encoded)).event_shape)
        if self.event_shape not in (None, event):
            raise UserError(
                f"the posterior's event shape is {event}, the prior's is {self.event_shape}: give "
                "both the same one, or the prior none"
            )
        self.build(event, tuple(data_shape))

    def check(self, objective) -> None:
        """Refuses an objective that makes no sense with this structure: here, none.

        Args:
            objective: The model's objective.

        Raises:
            UserError: If it asks for what the structure has not.
        """

    def finish(self, vae, dataset) -> None:
        """What remains to be fitted when the training is over: here, nothing.

        Args:
            vae: The trained model.
            dataset: Batches of its training data, as `fit` takes them.
        """

    def posterior(self, encoded, context=None) -> tfd.Distribution:
        """The posterior q(z|x) of what the encoder returned: that itself, where z is one group.

        Args:
            encoded: What the encoder returned.
            context: Context of the prior.

        Returns:
            A distribution of batch shape `[batch]`.
        """
        return encoded

    def infer(
        self, encoded, *, context=None, samples=None, seed=None, gate=None, training=False
    ) -> tuple[tuple[Latent, ...], tf.Tensor]:
        """Draws z from the posterior and holds it beside the prior.

        Args:
            encoded: What the encoder returned: q(z|x) of batch shape `[batch]`, where z is one
                group.
            context: Context of the prior.
            samples: K, or None for one draw without an axis of its own.
            seed: Stateless seed.
            gate: What every draw passes before anything else sees it, for objectives that shape
                gradients; None: nothing.
            training: Whether this is a training step.

        Returns:
            One `Latent` for each group of latent variables, and the code for the decoder,
            `[batch, *code_shape]` or `[K, batch, *code_shape]`.
        """
        posterior = self.posterior(encoded)
        z = posterior.sample(() if samples is None else (samples,), seed=seed)
        z = z if gate is None else gate(z)
        return (Latent(z, posterior, self(context=context)),), z

    def means(self, encoded, context=None) -> tf.Tensor | tuple[tf.Tensor, ...]:
        """The latent variables without noise: the posterior's mean, where z is one group.

        Args:
            encoded: What the encoder returned.
            context: Context of the prior.

        Returns:
            What `code` takes: `[batch, *event]`, or a tuple of them, one for each group.
        """
        return mean_of(self.posterior(encoded))

    def adapt(self, batches) -> None:
        """Takes a look at the data before the training: here, none.

        Args:
            batches: Batches of x or of (x, context).
        """

    def code(self, z, context=None) -> tf.Tensor:
        """The decoder's input for latent variables: z itself, where z is one group.

        Args:
            z: `[batch, *event]` or `[K, batch, *event]`.
            context: Context of the prior.

        Returns:
            `[batch, *code_shape]` or `[K, batch, *code_shape]`.
        """
        return tf.convert_to_tensor(z)

    def generate(self, n: int, *, context=None, seed=None, temperature=1.0) -> tf.Tensor:
        """Draws n codes for the decoder.

        Args:
            n: Number of draws.
            context: `[n, ...]`, one for each draw.
            seed: Stateless seed.
            temperature: Factor of the noise that z is made of, see `tempered`; a prior of
                several groups takes one for each.

        Returns:
            `[n, *code_shape]`.
        """
        prior = tempered(self(context=context), temperature)
        return prior.sample(n if prior.batch_shape.rank == 0 else (), seed=seed)

    def get_config(self) -> dict:
        """Configuration for saving."""
        shape = None if self.event_shape is None else list(self.event_shape)
        return {**super().get_config(), "event_shape": shape}
