"""The base of all latent structures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.moments import mean_of
from tfvae.distributions.types import Latent
from tfvae.errors import UserError
from tfvae.networks.conditioning import HasConditioner
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.base import Prior

tfd = tfp.distributions

__all__ = ["ConditionalStructure", "LatentStructure", "ungated"]


def ungated(z: tf.Tensor) -> tuple[tf.Tensor, None]:
    """The gate of an objective that leaves the gradient as it is, see `Objective.gate`."""
    return z, None


class LatentStructure(keras.layers.Layer):
    """Base of the latent structures: how z is inferred from x, and how it is generated.

    One group of latent variables with a prior is `OneGroup`; a hierarchy draws its groups in turn,
    each given those above; a vector quantizer has codes. The objectives see what `infer` returns,
    one `Latent` for each group, and the decoder sees the *code*: z itself, or what a structure
    makes of it.

    A concrete structure defines `prepare`, `posterior`, `infer` and `generate`, and `call`, which
    is what `vae.prior` calls; `means` and `code`, unless the code is the one group's z. Where it
    has a `Prior`, as an attribute `prior`, that is `vae.prior`.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        event_shape: Shape of z (of the top group where there are several); None before it is built.
    """

    has_noise = True  # whether q(z|x) has more than one value of z

    def __init__(self, **kwargs: Unpack[LayerOptions]):
        # Probability is float32 under a mixed precision policy too.
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)
        self.event_shape: tuple[int, ...] | None = None

    @property
    def code_shape(self) -> tuple[int, ...] | None:
        """Shape of one code, which the decoder takes; None before the structure is built."""
        return self.event_shape

    def get_build_config(self) -> None:
        """Returns nothing: the model builds the structure from what its encoder returns."""

    def __call__(self, *args, **kwargs) -> tfd.Distribution:
        """Makes the distribution; see `call`."""
        if not self.built:
            raise UserError(
                f"{self.name} does not know the shape of z: its model has no weights yet, fit it, "
                "or call it on data, first"
            )
        return super().__call__(*args, **kwargs)

    def call(self, context=None) -> tfd.Distribution:
        """Makes the prior p(z), of the top group where there are several.

        Args:
            context: What a conditional structure is conditioned on, `[batch, ...]`.

        Returns:
            Batch shape `[]`, or `[batch]` with a context.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define call(context)")

    def connect(self, encode: Callable[..., tfd.Distribution]) -> None:
        """Takes the model's encoder, for a prior that is made of posteriors; by default unused.

        Args:
            encode: `(x, context=None) -> q(z|x)`, see `VAE.encode_aside`.
        """

    def prepare(self, encoded, data_shape: Sequence[int], context=None) -> None:
        """Builds the structure, if it is not yet, for what an encoder returns.

        Args:
            encoded: What the encoder returned.
            data_shape: Shape of x.
            context: `[batch, ...]`, for a conditional structure.

        Raises:
            UserError: If it does not fit the structure.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define prepare(...)")

    def check(self, objective) -> None:
        """Refuses an objective that makes no sense with this structure; by default none.

        Args:
            objective: The model's objective.

        Raises:
            UserError: If it asks for what the structure has not.
        """

    def adapt(self, batches: Iterable) -> None:
        """Takes a look at the data before the training; by default it does not.

        Args:
            batches: Batches of x or of (x, context).
        """

    def replace_prior(
        self, prior: Prior, encode: Callable[..., tfd.Distribution], data_shape: Sequence[int]
    ) -> None:
        """Puts another p(z) in the place of the structure's own, see `VAE.replace_prior`.

        Args:
            prior: The prior, built or not.
            encode: As for `connect`.
            data_shape: Shape of x.

        Raises:
            UserError: If z is not one group of a prior, or the prior has another event shape.
        """
        raise UserError(
            f"{type(self).__name__} has no prior of one group that another could take the place "
            "of: give a model whose z is one group, such as tfvae.recipes.vae makes"
        )

    def finish(self, vae, dataset: tf.data.Dataset) -> None:
        """Fits what remains to be fitted after the training; by default nothing.

        Args:
            vae: The trained model.
            dataset: Batches of its training data, as `fit` takes them.
        """

    def for_networks(self, context):
        """What encoder and decoder get of a context: by default all of it.

        A structure that takes the context for itself, such as labels that may be missing, hands
        None on.

        Args:
            context: `[batch, ...]`, or None.
        """
        return context

    def explained(
        self, likelihood: tfd.Distribution, latents: tuple[Latent, ...]
    ) -> tfd.Distribution:
        """The likelihood of the whole inference, of that of its codes; by default the same.

        A structure that hands the decoder several codes of an example, one for each value of a
        variable that it sums over, brings their likelihoods together here.

        Args:
            likelihood: p(x|z) of the codes that `infer` returned.
            latents: What it returned beside them.

        Returns:
            Batch shape `[batch]`, or `[K, batch]`.
        """
        return likelihood

    def posterior(self, encoded, context=None) -> tfd.Distribution:
        """The posterior q(z|x) of what the encoder returned, of the top group of several.

        Args:
            encoded: What the encoder returned.
            context: `[batch, ...]`, for a conditional structure.

        Returns:
            A distribution of batch shape `[batch]`.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define posterior(encoded)")

    def refine(self, encoded, log_likelihood: Callable, context=None):
        """Makes what `infer` takes of what the encoder returned; by default that itself.

        A structure whose draws follow the density of the model, and not the encoder alone, takes
        it here. It leaves nothing behind: no losses, no updates of weights.

        Args:
            encoded: What the encoder returned.
            log_likelihood: From z, `[batch, *event]` or `[K, batch, *event]`, to log p(x|z), nats,
                `[batch]` or `[K, batch]`; with its gradients, and without noise of its own.
            context: `[batch, ...]`, for a conditional structure.

        Returns:
            What `infer` is called with.
        """
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
        """Draws every group from its posterior and holds it beside its prior.

        Args:
            encoded: What the encoder returned, or what `refine` made of it.
            context: `[batch, ...]`, for a conditional structure.
            samples: K, or None for one draw without an axis of its own.
            seed: Stateless seed.
            gate: What every draw passes before anything else sees it, see `Objective.gate`: it
                returns the draw, and what is the `Latent`'s `gradient_weights`.
            training: Whether this is a training step.

        Returns:
            One `Latent` for each group of latent variables, and the code for the decoder,
            `[batch, *code_shape]` or `[K, batch, *code_shape]`.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define infer(encoded, ...)")

    def means(self, encoded, context=None) -> tf.Tensor | tuple[tf.Tensor, ...]:
        """The latent variables without noise: the posterior's mean, where z is one group.

        Args:
            encoded: What the encoder returned.
            context: `[batch, ...]`, for a conditional structure.

        Returns:
            What `code` takes: `[batch, *event]`, or a tuple of them, one for each group.
        """
        return mean_of(self.posterior(encoded, context))

    def code(self, z, context=None) -> tf.Tensor:
        """The decoder's input for latent variables: z itself, where z is one group.

        Args:
            z: `[batch, *event]` or `[K, batch, *event]`; a tuple of them where there are several.
            context: `[batch, ...]`, for a conditional structure.

        Returns:
            `[batch, *code_shape]` or `[K, batch, *code_shape]`.
        """
        return tf.convert_to_tensor(z)

    def every_z(self, limit: int) -> tf.Tensor | None:
        """All values of z, where there are no more than `limit`; by default z is not countable.

        Args:
            limit: How many there may be.

        Returns:
            `[n, *event]`, or None. With them log p(x) is a sum, see `VAE.log_prob`.
        """
        return None

    def generate(self, n: int, *, context=None, seed=None, temperature=1.0) -> tf.Tensor:
        """Draws n codes for the decoder.

        Args:
            n: Number of draws.
            context: `[n, ...]`, one for each draw.
            seed: Stateless seed.
            temperature: Factor of the noise that z is made of, see `tempered`; a structure of
                several groups takes one for each.

        Returns:
            `[n, *code_shape]`.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define generate(n, ...)")


class ConditionalStructure(HasConditioner, LatentStructure):
    """Base of the structures whose prior can depend on a context, through a conditioner's vector.

    Args:
        conditioner: Keras layer from the context to a vector `[batch, size]`; None: a context
            changes nothing.
        **kwargs: Arguments of `keras.layers.Layer`.
    """
