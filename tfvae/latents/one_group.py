"""One group of latent variables, with a prior of any kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.coercible import returned
from tfvae.distributions.divergences import check_shapes
from tfvae.distributions.keras_compat import replace_layer
from tfvae.distributions.types import Latent
from tfvae.errors import UserError
from tfvae.latents.base import LatentStructure, ungated
from tfvae.latents.example_weights import weights_given
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior
from tfvae.priors.standard_normal import StandardNormal
from tfvae.priors.temperature import tempered

tfd = tfp.distributions

__all__ = ["OneGroup"]


@keras.saving.register_keras_serializable(package="tfvae")
class OneGroup(LatentStructure):
    """z ~ q(z|x), as the encoder returns it, beside p(z): the structure of the first VAE.

    The decoder takes z itself. `VAE(..., prior=...)` makes one of the prior.

    Args:
        prior: p(z); None: the standard normal of the posterior's event shape.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> structure = OneGroup(tfvae.priors.MixtureOfNormals(5))
        >>> type(structure.prior).__name__
        'MixtureOfNormals'

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, Section 2.
    """

    def __init__(self, prior: Prior | None = None, **kwargs: Unpack[LayerOptions]):
        super().__init__(**kwargs)
        if not isinstance(prior, (Prior, type(None))):
            raise UserError(f"prior takes a tfvae.priors.Prior, got {prior!r}")
        self.prior = prior or StandardNormal()

    def connect(self, encode: Callable[..., tfd.Distribution]) -> None:
        """Hands the encoder on to the prior."""
        self.prior.connect(encode)

    def prepare(self, encoded, data_shape: Sequence[int], context=None) -> None:
        """Builds the prior for the posterior's event shape."""
        if self.built:
            return
        event = tuple(returned("encoder", encoded).event_shape)
        _prepare_prior(self.prior, event, data_shape)
        self.event_shape = event
        self.built = True

    def replace_prior(
        self, prior: Prior, encode: Callable[..., tfd.Distribution], data_shape: Sequence[int]
    ) -> None:
        """Builds the prior for z of this shape, and takes it."""
        _prepare_prior(prior, self.event_shape, data_shape)
        prior.connect(encode)
        replace_layer(self, "prior", prior)

    def adapt(self, batches: Iterable) -> None:
        """Lets the prior look at the data."""
        self.prior.adapt(batches)

    def call(self, context=None) -> tfd.Distribution:
        """Makes the prior."""
        return self.prior(context=context)

    def posterior(self, encoded, context=None) -> tfd.Distribution:
        """What the encoder returned."""
        return encoded

    def infer(
        self,
        encoded,
        *,
        context=None,
        samples: int | None = None,
        seed=None,
        gate: Callable = ungated,
        training: bool = False,
    ) -> tuple[tuple[Latent, ...], tf.Tensor]:
        """Draws z from the posterior and holds it beside the prior."""
        if training:
            prior = self.prior.in_training(encoded, context, weights=weights_given())
        else:
            prior = self.prior(context=context)
        check_shapes(encoded, prior)
        z, weights = gate(encoded.sample(() if samples is None else (samples,), seed=seed))
        latent = Latent(z, encoded, prior, gradient_weights=weights)
        return (latent,), z

    def generate(self, n: int, *, context=None, seed=None, temperature=1.0) -> tf.Tensor:
        """Draws n times from the prior."""
        prior = tempered(self.prior(context=context), temperature)
        return prior.sample(n if prior.batch_shape.rank == 0 else (), seed=seed)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "prior": keras.saving.serialize_keras_object(self.prior)}

    @classmethod
    def from_config(cls, config: dict) -> OneGroup:
        """Makes the structure of its configuration."""
        return cls(**{**config, "prior": keras.saving.deserialize_keras_object(config["prior"])})


def _prepare_prior(prior: Prior, event: tuple[int, ...], data_shape: Sequence[int]) -> None:
    """Makes the prior's weights for z of a shape."""
    if prior.event_shape not in (None, event):
        raise UserError(
            f"the posterior's event shape is {event}, the prior's is {prior.event_shape}: give "
            "both the same one, or the prior none"
        )
    if not prior.built:
        prior.build(event, tuple(data_shape))
    if not prior.trainable:
        # To the layers that were made meanwhile as well; Keras passes on a change alone.
        prior.trainable = True
        prior.trainable = False
