"""A prior made of posteriors: the VampPrior."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.data.batches import unpack
from tfvae.distributions.batch_axes import Unfolded
from tfvae.errors import UserError
from tfvae.options.bounds import Count
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior

tfd = tfp.distributions

__all__ = ["VampPrior"]


@keras.saving.register_keras_serializable(package="tfvae")
class VampPrior(Prior):
    """p(z) = 1/K Σ_k q(z|u_k): the posterior, averaged over K learned pseudo-inputs u_k.

    The pseudo-inputs lie between `low` and `high`, u = low + (high − low) sigmoid(weight), and
    pass the encoder once a batch, whatever the number of samples: K encodes. KL(q ‖ p) has no
    closed form: it is estimated at the draws of z.

    With a context c, p(z|c) = 1/K Σ_k q(z|u_k, c), the same pseudo-inputs for every context: the
    prior then follows the posteriors of that context, at K encodes for each example.

    Args:
        pseudo_inputs: K.
        event_shape: Shape of z; None: learned from the posterior.
        low: The smallest value of the data.
        high: Their largest value; `low=None, high=None` for data without bounds.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> vae = tfvae.recipes.vae((8, 8, 1), 2, prior=VampPrior(pseudo_inputs=50))
        >>> vae.build((None, 8, 8, 1))
        >>> vae.prior().log_prob(tf.zeros([7, 2])).shape
        TensorShape([7])

    References:
        Tomczak and Welling, "VAE with a VampPrior", 2018, Eq. 9.
    """

    def __init__(
        self,
        pseudo_inputs: Count = 500,
        *,
        event_shape: int | Sequence[int] | None = None,
        low: float | None = 0.0,
        high: float | None = 1.0,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(event_shape, **kwargs)
        if pseudo_inputs != int(pseudo_inputs) or pseudo_inputs < 1:
            raise UserError(f"pseudo_inputs takes an integer from 1, got {pseudo_inputs!r}")
        if (low is None) != (high is None) or (low is not None and not low < high):
            raise UserError(f"low={low!r}, high={high!r}: give low < high, or None for both")
        self.pseudo_inputs = int(pseudo_inputs)
        self.low = low
        self.high = high
        self._encode = None

    def build(self, event_shape=None, data_shape=None):
        """Makes the pseudo-inputs, at the start noise around the middle of the range."""
        super().build(event_shape, data_shape)
        if data_shape is None:
            raise UserError("a VampPrior is built with the data's shape: let the VAE build it")
        self.raw = self.add_weight(
            shape=(self.pseudo_inputs, *data_shape),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="pseudo_inputs",
        )

    def connect(self, encode: Callable[..., tfd.Distribution]) -> None:
        """Keeps the encoder of the model that the prior is given to; there can be only one."""
        if self._encode is not None:
            raise UserError(
                f"{self.name} is made of the posteriors of another model: give each model a "
                "VampPrior of its own"
            )
        self._encode = encode

    def inputs(self) -> tf.Tensor:
        """The pseudo-inputs, `[K, *data]`, in the units of the data."""
        raw = tf.convert_to_tensor(self.raw)
        return raw if self.low is None else self.low + (self.high - self.low) * tf.sigmoid(raw)

    def adapt(self, batches: Iterable) -> None:
        """Sets the pseudo-inputs to the first examples of the data, moved a little into the range.

        Args:
            batches: Batches of x or of (x, context), such as a data set. Where there are fewer
                than K examples, the pseudo-inputs beyond stay as they are.
        """
        raw, seen = self.raw.numpy(), 0
        for batch in batches:
            x = unpack(batch)[0].numpy()[: self.pseudo_inputs - seen]
            if self.low is not None:
                # Where the sigmoid is flat a pseudo-input would learn nothing.
                unit = np.clip((x - self.low) / (self.high - self.low), 0.05, 0.95)
                x = np.log(unit) - np.log1p(-unit)
            raw[seen : seen + len(x)] = x
            seen += len(x)
            if seen == self.pseudo_inputs:
                break
        self.raw.assign(raw)

    def call(self, context=None) -> tfd.Distribution:
        """Makes the mixture, batch shape `[]`, or `[batch]` with a context."""
        if self._encode is None:
            raise UserError("a VampPrior is made of posteriors: give it to a VAE as its prior")
        u, count = self.inputs(), self.pseudo_inputs
        if context is None:
            components = self._encode(u)
        else:
            context = tf.convert_to_tensor(context)
            n = tf.shape(context)[0]
            u = tf.tile(u, [n, *[1] * (u.shape.rank - 1)])
            components = self._encode(u, tf.repeat(context, count, axis=0))
            components = Unfolded(components, tf.stack([n, count]))
        equal = tf.zeros([count], components.dtype)
        return tfd.MixtureSameFamily(tfd.Categorical(logits=equal), components)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "pseudo_inputs": self.pseudo_inputs,
            "low": self.low,
            "high": self.high,
        }
