"""`VAE`: encoder, decoder, latent structure and objective, composed to a Keras model."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.data.batches import as_float
from tfvae.data.parts import packed
from tfvae.distribute import as_seed, fold_in
from tfvae.distributions.aside import aside
from tfvae.distributions.batch_axes import Unfolded, fold
from tfvae.distributions.coercible import concrete, returned
from tfvae.distributions.evidence import NoEvidence, no_evidence
from tfvae.distributions.spaces import check_same_space
from tfvae.distributions.supports import check_batch, check_shape, check_values, support_of
from tfvae.distributions.types import ModelOutput, Networks, VAEOutput
from tfvae.errors import UserError, readable_errors
from tfvae.latents import LatentStructure, OneGroup
from tfvae.layers.noise_scope import noise
from tfvae.networks.conditioning import conditioners_count_once
from tfvae.objectives import ELBO, Objective
from tfvae.objectives.estimators import Estimators
from tfvae.options.keywords import ModelOptions, Unpack
from tfvae.priors import Fixed, Prior
from tfvae.trainer.keras_compat import layers_of
from tfvae.trainer.model import ObjectiveModel

tfd = tfp.distributions

__all__ = ["VAE"]

EXACT_CODES = 4096  # so many values of z at most are summed over in log_prob
PARTS = ("encoder", "decoder", "latents", "objective")
ENCODER = 0x656E63  # folded into the seed: the encoder's noise differs from the rest's
AGAIN = 0x616761  # likewise, of networks that an objective calls once more
DECODER = 0x646563  # and that of the passes of the decoder which refine z


@keras.saving.register_keras_serializable(package="tfvae")
class VAE(ObjectiveModel):
    """A variational autoencoder: an encoder q(z|x), a decoder p(x|z), a prior p(z), an objective.

    The training step minimises the mean over the batch of the objective, by default the negative
    ELBO, −E_q log p(x|z) + KL(q(z|x) ‖ p(z)): summed over the event, in nats. The equation is
    `tfvae.distributions.elbo`, one function for objectives, logs and `elbo`. Noise is a function
    of (seed, step, replica), so that a run can be repeated, and resumed exactly.

    Data are given in the units of the likelihood, to all methods; those of several modalities, for
    networks of several, as a dict of arrays, in which a modality that an example lacks is NaN. The
    encoder gets them on a scale that a network takes well: levels on [−1, 1], counts as
    log(1 + x), all else as it is.

    Args:
        encoder: Keras layer or model from x to a `tfd.Distribution` over z.
        decoder: Keras layer or model from z to a `tfd.Distribution` over x.
        prior: p(z), a `tfvae.priors.Prior` or a `tfd.Distribution`; None: the standard normal of
            the posterior's event shape.
        objective: What is minimised; None: `ELBO(beta=1.0)`.
        latents: How z is inferred and generated, a `tfvae.latents.LatentStructure` such as
            `TopDown` or `VectorQuantizer`; None: z is one group, with the prior above.
        scale_inputs: Whether levels and counts are scaled for the encoder; None: unless it holds a
            `Rescaling` or `Normalization` layer. False where it scales by other means.
        seed: Seed of the noise in training and evaluation.
        **kwargs: Arguments of `keras.Model`.

    Example:
        >>> vae = tfvae.VAE(
        ...     encoder=tfvae.networks.Encoder(
        ...         tfvae.networks.MLP([200]), tfvae.layers.IndependentNormal(2)
        ...     ),
        ...     decoder=tfvae.networks.Decoder(
        ...         tfvae.networks.MLP([200]), tfvae.layers.IndependentBernoulli((8, 8, 1))
        ...     ),
        ... )
        >>> vae.compile(optimizer=keras.optimizers.Adam(1e-3))
        >>> history = vae.fit(tfvae.data.load("digits", batch_size=100), epochs=1)

    References:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, Eq. 7.
        Rezende, Mohamed, Wierstra, "Stochastic Backpropagation", 2014.
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        prior: Prior | tfd.Distribution | None = None,
        objective: Objective | None = None,
        *,
        latents: LatentStructure | None = None,
        scale_inputs: bool | None = None,
        seed: int = 0,
        **kwargs: Unpack[ModelOptions],
    ):
        super().__init__(objective or ELBO(), seed=seed, **kwargs)
        for name, part, base in [
            ("encoder", encoder, keras.layers.Layer),
            ("decoder", decoder, keras.layers.Layer),
            ("prior", prior, (Prior, tfd.Distribution, LatentStructure, type(None))),
            ("latents", latents, (LatentStructure, type(None))),
        ]:
            if not isinstance(part, base):
                raise UserError(f"{name} takes an object of another kind, got {part!r}")
        if isinstance(prior, LatentStructure):
            raise UserError(
                f"prior takes p(z), and {type(prior).__name__} says how z is inferred as well: "
                "give it as latents="
            )
        if prior is not None and latents is not None:
            raise UserError(
                f"{type(latents).__name__} has a prior of its own: give prior or latents, not both"
            )
        if isinstance(prior, tfd.Distribution):
            prior = Fixed(prior)
        if scale_inputs not in (None, True, False):
            raise UserError(f"scale_inputs takes True, False or None, got {scale_inputs!r}")
        self.scale_inputs = scale_inputs
        self.encoder = encoder
        self.decoder = decoder
        self.latents = latents or OneGroup(prior)
        self.latents.connect(self.encode_aside)
        self._context_rank: int | None = None  # of one example's; seen when the model is built
        self.latents.check(self.objective)
        # Why there is no bound of log p(x), if so; known once there was an output.
        self._no_evidence: NoEvidence | None = None

    @property
    def modalities(self) -> Mapping[str, Sequence[int]] | None:
        """The shapes of what x is made of, by name, as the encoder has them; None: x is one array.

        Example:
            >>> vae.modalities is None
            True
        """
        return getattr(self.encoder, "modalities", None)

    @property
    def prior(self) -> Prior | LatentStructure:
        """The layer of p(z): called, with a context or none, it gives the distribution.

        Where z is one group, it is the `Prior`; else the latent structure, which gives the
        distribution of the top group, or of the map of codes.

        Example:
            >>> vae.prior().event_shape
            TensorShape([2])
        """
        return getattr(self.latents, "prior", self.latents)

    def replace_prior(self, prior: Prior | tfd.Distribution) -> None:
        """Puts another p(z) in the place of the model's; encoder and decoder stay as they are.

        What was compiled for the old one is compiled anew, `elbo` and `log_prob` as well. Where
        the weights that are trained are others now, the optimizer's moments start at zero; its
        step, which schedules follow, goes on.

        Args:
            prior: p(z), built or not, of the event shape of the posterior.

        Raises:
            UserError: If the model has no weights yet, z is not one group, or the event shapes
                differ.

        Example:
            >>> model = tfvae.recipes.vae((8, 8, 1), 2, hidden=(8,))
            >>> model.build((None, 8, 8, 1))
            >>> model.replace_prior(tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 2.0]))
            >>> model.prior().stddev().numpy()
            array([1., 2.], dtype=float32)
        """
        self._assert_built()
        if isinstance(prior, tfd.Distribution):
            prior = Fixed(prior)
        if not isinstance(prior, Prior):
            raise UserError(f"prior takes an object of another kind, got {prior!r}")
        trained = self.trainable_weights
        with self.distribute_strategy.scope():
            self.latents.replace_prior(prior, self.encode_aside, self.data_shape)
        self.__dict__.pop("_estimators", None)  # their graphs hold the old one
        self.start_anew(trained)

    def call(self, x, context=None, samples=None, training=False, seed=None) -> VAEOutput:
        """Encodes x, draws z, decodes it.

        Args:
            x: Data, `[batch, *event]`.
            context: Labels or vectors, `[batch, ...]`, for a conditional model.
            samples: K: z is `[K, batch, ...]`; None: z is `[batch, ...]`.
            training: Whether layers that behave differently in training do so.
            seed: An integer or a stateless seed; None: fresh noise.

        Returns:
            The latent groups and the likelihood.
        """
        x = as_float(x, self.modalities)
        self._check_shape(x)
        if context is not None:
            context = tf.convert_to_tensor(context)
            self._context_rank = context.shape.rank - 1
        seed = None if seed is None else as_seed(seed)
        with conditioners_count_once():
            encoded = self._encode(x, context, training, seed)
            return self._complete(x, encoded, context, samples, seed, training)

    def _complete(self, x, encoded, context, samples, seed, training=False) -> VAEOutput:
        """Draws z from what the encoder returned for x, and decodes it."""
        self.latents.prepare(encoded, tuple(x.shape[1:]), context)
        with noise(seed, self.latents, self.decoder):
            given = functools.partial(self._log_likelihood, x, context, seed)
            encoded = self.latents.refine(encoded, given, context)
            latents, code = self.latents.infer(
                encoded,
                context=context,
                samples=samples,
                seed=as_seed(seed),
                gate=self.objective.gate,
                training=training,
            )
            likelihood = self._decode(code, context, training)
            likelihood = self.latents.explained(likelihood, latents)
        for latent in latents:
            check_same_space(latent.posterior, latent.prior)
        check_shape(tuple(x.shape[1:]), likelihood.event_shape)
        self.support = support_of(likelihood)
        output = ModelOutput(latents, likelihood)
        output.networks = self._networks(context, seed)
        self._no_evidence = no_evidence(output)
        return output

    def _log_likelihood(self, x, context, seed, z) -> tf.Tensor:
        """The density log p(x|z), by passes of the decoder that leave nothing behind."""
        code = self.latents.code(z, context)
        if not self.decoder.built:
            self._decode(code, context)
        with aside(), noise(None if seed is None else fold_in(seed, DECODER)):
            return self._decode(code, context, training=False).log_prob(x)

    def _check_shape(self, x: tf.Tensor) -> None:
        """Refuses a wrong shape before the encoder is called, or even built, on it."""
        event = getattr(getattr(self.decoder, "head", None), "event_shape", None)
        if event is not None and x.shape.rank is not None:
            check_shape(tuple(x.shape[1:]), event)

    def _encode(self, x, context, training=None, seed=None):
        x = self._scaled(as_float(x, self.modalities))
        given = _given(context=self.latents.for_networks(context), training=training)
        # Of the same seed, the noise inside encoder and decoder would be the same.
        with noise(None if seed is None else fold_in(seed, ENCODER), self.encoder):
            encoded = concrete(self.encoder(x, **given))
        if isinstance(encoded, tfd.Distribution):
            check_batch("encoder", encoded, x.shape[0])
        return encoded

    def _scaled(self, x: tf.Tensor) -> tf.Tensor:
        """The data on the encoder's scale; unscaled while the model is built, on zeros."""
        if self.support is None or self.scale_inputs is False:
            return x
        own = (keras.layers.Rescaling, keras.layers.Normalization)
        if self.scale_inputs is None and any(isinstance(p, own) for p in layers_of(self.encoder)):
            return x
        return self.support.scaled(x)

    def encode(self, x, context=None) -> tfd.Distribution:
        """The posterior q(z|x).

        Args:
            x: Data, `[batch, *event]`.
            context: `[batch, ...]`, for a conditional model.

        Returns:
            A distribution of batch shape `[batch]`.
        """
        if self.support is None:
            self._check_input(x, context)  # builds the decoder: its likelihood says how x is scaled
        return returned("encoder", self.latents.posterior(self._encode(x, context), context))

    def encode_aside(self, x, context=None) -> tfd.Distribution:
        """The posterior q(z|x), by a pass of the encoder that leaves nothing behind.

        What is encoded beside the data, such as a prior's pseudo-inputs, does not count as data:
        the losses that the encoder's layers add are not added once more, and no weight is updated,
        a layer's counter of steps or the moving statistics of a batch normalization. The pass is
        in inference mode, in training too: x is normalized by the moving statistics, those of the
        data, and nothing is dropped. So q(z|x) is here what it is when the model is evaluated.
        The gradient is as ever.

        Args:
            x: As data, `[batch, *event]`.
            context: `[batch, ...]`, for a conditional model.

        Returns:
            A distribution of batch shape `[batch]`.
        """
        with aside():
            encoded = self._encode(x, context, training=False)
            return returned("encoder", self.latents.posterior(encoded, context))

    def _networks(self, context, seed) -> Networks:
        """The networks with the context of a batch, for an objective that calls them again."""
        seed = None if seed is None else fold_in(seed, AGAIN)

        def encode(x) -> tfd.Distribution:
            with aside():
                encoded = self._encode(x, context, training=False, seed=seed)
                return returned("encoder", self.latents.posterior(encoded, context))

        def decode(z) -> tfd.Distribution:
            with aside(), noise(seed, self.decoder):
                return self._decode(self.latents.code(z, context), context, training=False)

        def prior() -> tfd.Distribution:
            with aside():
                return self.latents(context=context)

        return Networks(encode, decode, prior, self.encoder, self.decoder, self.latents)

    def decode(self, z, context=None) -> tfd.Distribution:
        """The likelihood p(x|z).

        Args:
            z: `[batch, *event]`, or `[K, batch, *event]` with K samples; a tuple of them, one for
                each group, where there are several.
            context: `[batch, ...]`, for a conditional model.

        Returns:
            A distribution of batch shape `[batch]` or `[K, batch]`.
        """
        return self._decode(self.latents.code(z, context), context)

    def _decode(self, code: tf.Tensor, context, training=None) -> tfd.Distribution:
        shape, context = self.latents.code_shape, self.latents.for_networks(context)
        rank = code.shape.rank - 1 if shape is None else len(shape)
        batch = tf.shape(code)[: code.shape.rank - rank]
        flat = code.shape.rank - rank == 1
        if not flat:
            # A decoder of any kind sees one batch axis; the draws get theirs back behind it.
            if context is not None:
                context = tf.convert_to_tensor(context)
                shape = tf.concat([batch, tf.shape(context)[1:]], axis=0)
                context = fold(tf.broadcast_to(context, shape), context.shape.rank - 1)
            code = fold(code, rank)
        given = _given(context=context, training=training)
        likelihood = returned("decoder", self.decoder(code, **given))
        check_batch("decoder", likelihood, code.shape[0])
        return likelihood if flat else Unfolded(likelihood, batch)

    def _assert_built(self) -> None:
        if not self.latents.built:
            raise UserError("the model has no weights yet: fit it, or call it on data, first")

    def reconstruct(self, x, context=None, *, seed=None) -> tf.Tensor:
        """The mean of p(x|z) at a posterior sample.

        Args:
            x: Data, `[batch, *event]`.
            context: `[batch, ...]`, for a conditional model.
            seed: An integer or a stateless seed; None: fresh noise.

        Returns:
            `[batch, *event]`, in the units of x.
        """
        return self._as_given(self(x, context=context, seed=as_seed(seed)).likelihood.mean())

    def _as_given(self, x: tf.Tensor):
        """Data of the model in the form they come in: of several parts, as the decoder has them."""
        unpacked = getattr(self.decoder, "unpacked", None)
        return x if unpacked is None else unpacked(x)

    def sample(
        self, n: int, seed=None, *, mean: bool = False, context=None, temperature=1.0
    ) -> tf.Tensor:
        """Draws x from the model: z from the prior, x from p(x|z).

        Args:
            n: Number of draws.
            seed: An integer or a stateless seed; None: fresh noise.
            mean: Whether to return the mean of p(x|z) instead of a draw of it.
            context: For a conditional model: one for all draws, such as `3` for a label, or one
                for each, `[n, ...]`.
            temperature: Factor on the prior's spread; one for each group, or one for all.

        Returns:
            `[n, *event]`.

        Raises:
            UserError: If n is no integer from 1, there are neither one nor n contexts, or the
                model has no weights yet.
        """
        self._assert_built()
        n, seed = _count("n", n), as_seed(seed)
        context = self._contexts(n, context)
        with noise(seed, self.latents, self.decoder):
            code = self.latents.generate(
                n, context=context, seed=fold_in(seed, 0), temperature=temperature
            )
            likelihood = self._decode(code, context)
        x = likelihood.mean() if mean else likelihood.sample(seed=fold_in(seed, 1))
        return self._as_given(x)

    def _contexts(self, n, context) -> tf.Tensor | None:
        """A context for each of n draws."""
        if context is None:
            return None
        context = tf.convert_to_tensor(context)
        if context.shape.rank == (self._context_rank or 0):
            context = context[None]
        if context.shape[0] == 1:
            return tf.repeat(context, n, axis=0)
        if tf.get_static_value(n) not in (None, context.shape[0]):
            raise UserError(
                f"context has {context.shape[0]} entries for {n} draws: give one for all of them, "
                "or one for each"
            )
        return context

    @readable_errors()
    def elbo(self, x, samples: int = 1, seed=None, *, context=None, chunk=None) -> tf.Tensor:
        """The evidence lower bound, E_q log p(x|z) − KL(q(z|x) ‖ p(z)), whatever the objective.

        Args:
            x: Data, `[batch, *event]`.
            samples: Posterior samples over which the expectation is averaged.
            seed: An integer or a stateless seed; None: fresh noise.
            context: `[batch, ...]`, for a conditional model.
            chunk: Samples that are decoded at once; None: as suits the cache, see `estimators`.

        Returns:
            Nats, `[batch]`; higher is better.

        Raises:
            UserError: If the model has none, as with the layer `Deterministic` or an energy for a
                likelihood.
        """
        samples = _count("samples", samples)
        x = packed(x, self.modalities)
        self._check_input(x, context)
        self._refuse_no_evidence("ELBO")
        return self._estimators.elbo(x, samples, seed, context, chunk)

    @readable_errors()
    def log_prob(self, x, samples: int = 100, chunk=None, seed=None, *, context=None) -> tf.Tensor:
        """The importance-weighted estimate of log p(x), log 1/K Σ_k p(x, z_k) / q(z_k|x).

        Its expectation is a lower bound of log p(x) that rises with the number of samples.

        Of a model with codes (`VectorQuantizer`) the posterior is one code, and the estimate is
        the ELBO whatever the number of samples. Where all maps of codes are at most
        `EXACT_CODES` = 4096, log p(x) = log Σ_k p(k) p(x|k) is summed over them instead, and
        exact. `log_prob_kind` says which of these it is.

        Args:
            x: Data, `[batch, *event]`.
            samples: K, the number of posterior samples.
            chunk: Samples that are decoded at once; None: as suits the cache, see `estimators`.
            seed: An integer or a stateless seed; None: fresh noise.
            context: `[batch, ...]`, for a conditional model.

        Returns:
            Nats, `[batch]`.

        Raises:
            UserError: If there is no estimate, as with the layer `Deterministic` or an energy for
                a likelihood.

        References:
            Burda, Grosse, Salakhutdinov, "Importance Weighted Autoencoders", 2016, Eq. 8.
        """
        samples = _count("samples", samples)
        x = packed(x, self.modalities)
        self._check_input(x, context)
        self._refuse_no_evidence("estimate of log p(x)")
        every = self.latents.every_z(EXACT_CODES)
        if every is not None:
            return self._estimators.log_sum(x, every, self._log_joint, context, chunk)
        return self._estimators.log_prob(x, samples, seed, context, chunk)

    @property
    def log_prob_kind(self) -> str:
        """What `log_prob` gives.

        `"importance_weighted"`: an estimate whose expectation is a lower bound; `"exact"`: the sum
        over all codes; `"elbo"`: the ELBO, for the posterior is one code of too many for a sum;
        `"none"`: it refuses, for there is no bound either, as with the layer `Deterministic` or an
        energy for a likelihood.
        """
        self._assert_built()
        if self._no_evidence is not None:
            return "none"
        if self.latents.every_z(EXACT_CODES) is not None:
            return "exact"
        return "importance_weighted" if self.latents.has_noise else "elbo"

    def _refuse_no_evidence(self, what: str) -> None:
        if self._no_evidence is not None:
            raise UserError(
                f"the model has no {what}: {self._no_evidence.reason}. Compare what fit and "
                f"evaluate log in its place; for a density of x {self._no_evidence.remedy}"
            )

    def _log_joint(self, x, z, context) -> tf.Tensor:
        """The joint log p(x, z) for z `[K, batch, *event]`: nats, `[K, batch]`."""
        prior = self.prior(context=context)
        return prior.log_prob(z) + self.decode(z, context).log_prob(x)

    @functools.cached_property
    def _estimators(self) -> Estimators:
        return Estimators(self._encode, self._complete, self.variable_dtype)

    def _check_input(self, x, context) -> None:
        x = tf.convert_to_tensor(packed(x, self.modalities))
        self._check_shape(x)
        if not self.built:
            self.build(x.shape, None if context is None else tf.convert_to_tensor(context).shape)
        if self.support is not None and hasattr(x, "numpy"):  # not in a graph
            check_values(x, self.support)

    def predict_step(self, data) -> dict:
        """The posterior mean of z (a tuple where there are several groups), and that of p(x|z)."""
        x, context, *_ = self.inputs_of(data)
        z = self.latents.means(self._encode(x, context), context=context)
        return {"z": z, "x": self._as_given(self.decode(z, context).mean())}

    def get_config(self) -> dict:
        """Configuration for saving."""
        parts = (self.encoder, self.decoder, self.latents, self.objective)
        serialized = map(keras.saving.serialize_keras_object, parts)
        return {
            **super().get_config(),
            **dict(zip(PARTS, serialized, strict=True)),
            "scale_inputs": self.scale_inputs,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects=None) -> VAE:
        """Makes the model of its configuration."""
        if missing := [name for name in PARTS if name not in config]:
            raise UserError(
                f"the model's configuration has no {', '.join(missing)}: another version of tfvae "
                "saved it, load it with that one"
            )
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in PARTS
        }
        # A model that was saved without this entry was trained on unscaled data.
        return cls(**{"scale_inputs": False, **config, **parts})


def _given(**arguments) -> dict:
    """The arguments that are not None: a layer need not know those that are."""
    return {name: value for name, value in arguments.items() if value is not None}


def _count(name: str, value) -> int:
    """An integer from 1, or a tensor whose value a graph does not know yet."""
    if tf.is_tensor(value) and tf.get_static_value(value) is None and value.shape.rank == 0:
        return value
    if np.ndim(value):
        raise UserError(
            f"{name} takes an integer from 1, got values of shape {np.shape(value)}: a VAE "
            "explains x alone, and labels of a conditional model go in as context=..."
        )
    number = isinstance(value, (int, float, np.number, np.ndarray)) or tf.is_tensor(value)
    if not number or value != int(value) or value < 1:
        raise UserError(f"{name} takes an integer from 1, got {value!r}")
    return int(value)
