"""What a VAE hands to an objective, and what an objective hands back."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = ["Latent", "ModelOutput", "Networks", "ObjectiveOutput", "OfSome", "VAEOutput"]


class OfSome(NamedTuple):
    """A term that not every example has, such as the accuracy where some labels are missing.

    Its mean over an epoch is that of the examples which have it, and of no others.

    Attributes:
        values: `[batch]`, finite for all examples.
        counts: 1 for the examples that have it, else 0, `[batch]`.
    """

    values: tf.Tensor
    counts: tf.Tensor


class Latent(NamedTuple):
    """One group of latent variables: a draw and the two distributions it is held against.

    Attributes:
        z: A draw of the posterior, `[batch, *event]`, or `[K, batch, *event]` with K samples.
        posterior: q(z|x), batch shape `[batch]` (or `[K, batch]` below another group).
        prior: p(z), or p(z | the groups above).
        penalty: What the group adds to the loss of an example, `[batch]`, as the commitment to a
            codebook does; None: nothing.
        gradient_weights: What `Objective.gate` made beside the draw: a list in which the
            objective leaves the factors of the encoder's gradient, `[K, batch]`; None: the
            gradient stays as it is.
        terms: Named numbers of the group that are logged beside those of the objective, `[batch]`
            each or `OfSome` of them; None: none.
    """

    z: tf.Tensor
    posterior: tfd.Distribution
    prior: tfd.Distribution
    penalty: tf.Tensor | None = None
    gradient_weights: list[tf.Tensor] | None = None
    terms: dict[str, tf.Tensor | OfSome] | None = None


class VAEOutput(NamedTuple):
    """What `vae(x)` returns and every objective reads.

    Attributes:
        latents: One `Latent` for a flat model, one per level for a hierarchy.
        likelihood: p(x|z), batch shape `[batch]`, or `[K, batch]` with K samples.
    """

    latents: tuple[Latent, ...]
    likelihood: tfd.Distribution


class Networks(NamedTuple):
    """The networks of a model, for an objective that calls them once more on the same batch.

    Each call is in inference mode, with the context of the batch, and leaves nothing behind: it
    adds no losses and updates no weights. In a block of `tfvae.distributions.aside` the weights of
    the layers that it is given are constants of the gradient, which goes through to the arguments.

    Attributes:
        encode: `(x) -> q(z|x)`.
        decode: `(z) -> p(x|z)`, for z `[batch, *event]`.
        prior: `() -> p(z)`.
        encoder: The layer.
        decoder: The layer.
        latents: The latent structure, with the weights of the prior.
    """

    encode: Callable[[tf.Tensor], tfd.Distribution]
    decode: Callable[[tf.Tensor], tfd.Distribution]
    prior: Callable[[], tfd.Distribution]
    encoder: keras.layers.Layer
    decoder: keras.layers.Layer
    latents: keras.layers.Layer


class ModelOutput(VAEOutput):
    """A `VAEOutput` that knows the networks it came from.

    Attributes:
        networks: The networks; None where it was put together by hand.
    """

    networks: Networks | None = None

    def _replace(self, **fields) -> ModelOutput:
        replaced = super()._replace(**fields)
        replaced.networks = self.networks
        return replaced


class ObjectiveOutput(NamedTuple):
    """What an objective returns, in nats.

    Attributes:
        loss: What is minimised, one number per example, `[batch]`.
        terms: Named numbers per example, each `[batch]`: `elbo`, `distortion`, `rate` and what
            the objective adds to them; a term that not every example has is an `OfSome`.
    """

    loss: tf.Tensor
    terms: dict[str, tf.Tensor | OfSome]
