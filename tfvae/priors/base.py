"""The base of all priors."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers.base import event_shape_of
from tfvae.types import Latent

tfd = tfp.distributions

__all__ = ["Prior"]


class Prior(keras.layers.Layer):
    """Base of the priors: p(z), a distribution with weights and no input.

    A concrete prior defines `call` and, if it has weights, makes them with `add_weight` in
    `build(event_shape)`. The distribution is built anew at each call, for a distribution that
    keeps a Keras variable keeps its first value.

    Args:
        event_shape: Shape of z; None: it is learned from the posterior when the model is built.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, event_shape: int | Sequence[int] | None = None, **kwargs):
        # Probability is float32 under a mixed precision policy too.
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        self.event_shape = None if event_shape is None else event_shape_of(event_shape)

    def build(self, event_shape=None):
        """Makes the weights for events of this shape."""
        if self.event_shape is None:
            self.event_shape = event_shape_of(event_shape)

    def call(self, context=None) -> tfd.Distribution:
        """Makes the distribution.

        Args:
            context: What a conditional prior is conditioned on, `[batch, ...]`.

        Returns:
            p(z), batch shape `[]`, or `[batch]` with a context.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define call(context)")

    def infer(self, posterior, *, context=None, samples=None, seed=None) -> tuple[Latent, ...]:
        """Draws z from the posterior and holds it beside the prior.

        Args:
            posterior: What the encoder returned, q(z|x) of batch shape `[batch]`.
            context: Context of the prior.
            samples: K, or None for one draw without an axis of its own.
            seed: Stateless seed.

        Returns:
            One `Latent` for each group of latent variables.
        """
        shape = () if samples is None else (samples,)
        return (Latent(posterior.sample(shape, seed=seed), posterior, self(context=context)),)

    def generate(self, n: int, *, context=None, seed=None) -> tf.Tensor:
        """Draws n codes for the decoder.

        Args:
            n: Number of draws.
            context: `[n, ...]`, one for each draw.
            seed: Stateless seed.

        Returns:
            `[n, *event]`.
        """
        prior = self(context=context)
        return prior.sample(n if context is None else (), seed=seed)

    def get_config(self) -> dict:
        """Configuration for saving."""
        shape = None if self.event_shape is None else list(self.event_shape)
        return {**super().get_config(), "event_shape": shape}
