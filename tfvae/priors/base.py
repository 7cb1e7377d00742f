"""The base of all priors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers.base import event_shape_of
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.maximizing import maximize

tfd = tfp.distributions

__all__ = ["Prior"]


class Prior(keras.layers.Layer):
    """Base of the priors: p(z), a distribution with weights, and nothing else.

    A prior of one's own defines `call(context=None)`, which returns a `tfd.Distribution` of event
    shape `self.event_shape`; if it has weights, it makes them in `build`. The distribution is made
    anew at each call, for a distribution that keeps a Keras variable keeps its first value.
    How z is inferred is no matter of the prior, see `tfvae.latents.LatentStructure`. Any prior with
    weights can be fitted to the codes of a trained model, see `fit` and `tfvae.fit_prior`.

    Args:
        event_shape: Shape of z; None: it is learned from the posterior when the model is built.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> @keras.saving.register_keras_serializable(package="mine")
        ... class StudentT(tfvae.priors.Prior):
        ...     def build(self, event_shape=None, data_shape=None):
        ...         super().build(event_shape, data_shape)
        ...         self.raw = self.add_weight(shape=(), initializer="ones", name="raw")
        ...
        ...     def call(self, context=None):
        ...         df = 2.0 + tf.math.softplus(self.raw)
        ...         t = tfd.StudentT(df, tf.zeros(self.event_shape), 1.0)
        ...         return tfd.Independent(t, len(self.event_shape))
        >>> vae = tfvae.recipes.vae((8, 8, 1), 2, prior=StudentT())
        >>> vae.build((None, 8, 8, 1))
        >>> vae.prior().event_shape
        TensorShape([2])
    """

    reads: Literal["codes", "posteriors"] = "codes"  # what `fit` takes

    def __init__(
        self, event_shape: int | Sequence[int] | None = None, **kwargs: Unpack[LayerOptions]
    ):
        # Probability is float32 under a mixed precision policy too.
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        self.event_shape = None if event_shape is None else event_shape_of(event_shape)

    def build(self, event_shape=None, data_shape=None):
        """Makes the weights for events of this shape; sets `self.event_shape`.

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
                    f"{self.name} does not know the shape of z: its model has no weights yet, fit "
                    "it, or call it on data, first; or give the prior event_shape"
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

    def in_training(
        self, posterior: tfd.Distribution, context=None, weights: tf.Tensor | None = None
    ) -> tfd.Distribution:
        """Makes the distribution that a training step holds the posteriors of its batch against.

        By default it is the same as everywhere. A prior that is made of the training data leaves
        each example out of its own.

        Args:
            posterior: q(z|x) of the batch, batch shape `[batch]`.
            context: As in `call`.
            weights: How much each example counts, `[batch]`; None: all the same.

        Returns:
            p(z), batch shape `[]` or `[batch]`.
        """
        return self(context=context)

    def connect(self, encode: Callable[..., tfd.Distribution]) -> None:
        """Takes the encoder of the model that the prior is given to; by default it is not used.

        A prior that is made of posteriors keeps it, and calls it in `call`. Such a call leaves
        nothing behind: no losses and no updates, see `VAE.encode_aside`.

        Args:
            encode: `(x, context=None) -> q(z|x)`, in inference mode.
        """

    def adapt(self, batches: Iterable) -> None:
        """Takes a look at the data before the training; by default it does not.

        Args:
            batches: Batches of x or of (x, context).
        """

    def score(self, z: tf.Tensor, seed=None) -> tf.Tensor:
        """What `fit` raises, on average over the codes: log p(z), or a bound of it.

        Args:
            z: Codes, `[batch, *event]`.
            seed: Stateless seed, for a bound that is estimated.

        Returns:
            Nats, `[batch]`.
        """
        return self().log_prob(z)

    def fit(
        self,
        z: np.ndarray,
        examples: np.ndarray | None = None,
        *,
        steps: int = 2000,
        batch_size: int = 256,
        learning_rate: float = 2e-3,
        seed: int = 0,
    ) -> None:
        """Fits the weights to codes by maximum likelihood: max 1/N Σ_n log p(z_n), by Adam.

        The codes of one example in ten are held out: the weights become those of the step where
        their likelihood was highest, and the fit ends where it no longer rises. The result is a
        function of the codes, the weights at the start and `seed`. A prior with a way of its own,
        such as EM, takes that.

        Args:
            z: Codes, `[N, *event]`.
            examples: Which example each code is of, `[N]`, where there are several of one; None:
                each is of another one.
            steps: Steps of Adam, at most.
            batch_size: Codes in a step.
            learning_rate: Of Adam, falling to zero along a cosine.
            seed: Seed of the order of the codes.

        Raises:
            UserError: If the prior has no weights that are trained, or a step is not finite.

        Example:
            >>> prior = tfvae.priors.RealNVP(2, [8], event_shape=2)
            >>> prior.fit(np.random.default_rng(0).normal(3.0, 1.0, [100, 2]), steps=10)
        """
        maximize(
            self, z, examples, steps=steps, batch_size=batch_size, learning_rate=learning_rate,
            seed=seed,
        )  # fmt: skip

    def get_config(self) -> dict:
        """Configuration for saving."""
        shape = None if self.event_shape is None else list(self.event_shape)
        return {**super().get_config(), "event_shape": shape}
