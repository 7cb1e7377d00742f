"""Vector quantization: a codebook, and a prior over maps of codes."""

from __future__ import annotations

import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import as_seed, fold_in
from tfvae.distributions.types import Latent
from tfvae.errors import UserError
from tfvae.latents.base import ConditionalStructure, ungated
from tfvae.latents.codebook import Codebook
from tfvae.latents.example_weights import weights_of
from tfvae.metrics import Perplexity
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.code_prior import CodePrior
from tfvae.priors.temperature import tempered

tfd = tfp.distributions

__all__ = ["VectorQuantizer"]


class _Point(tfd.Deterministic):
    """All probability on one map of codes."""

    def _log_prob(self, value):
        return tf.where(tf.equal(value, self.loc), 0.0, -np.inf)


@keras.saving.register_keras_serializable(package="tfvae")
class VectorQuantizer(ConditionalStructure):
    """The VQ-VAE: z is a map of codes k, of the entries e_k next to the encoder's vectors.

    The decoder takes the map of the e_k. The posterior is all on one map of codes, so that the
    rate is −log p(k), nats: log K per position before the prior over codes is fitted, which `fit`
    does when the training is over. The gradient passes straight through to the encoder's vectors
    v, which

    commitment · mean over positions of |v − e_k|²

    holds near the codebook. That is learned as moving means of the vectors next to each entry, see
    `Codebook`.

    Args:
        codes: K, the number of entries.
        code_prior: p(k): `CodePrior`, a categorical at each position, if None; `CodeTransformer`.
        size: Numbers in an entry: the encoder's channels are cut into pieces of this size; None:
            they are one piece.
        commitment: Weight of the encoder's distance to the codebook.
        decay: Of the moving means.
        restart: Share of the mean use below which an entry is put elsewhere; 0: never.
        conditioner: Keras layer from the context to a vector, for a conditional prior. Weights of
            its own learn nothing here: share it with encoder or decoder then.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        event_shape: Shape of the map of codes.

    Example:
        >>> features = keras.Sequential([keras.layers.Conv2D(4, 3, 2), keras.layers.Conv2D(2, 1)])
        >>> decoder = Decoder(MLP([16]), tfvae.layers.IndependentBernoulli((8, 8, 1)))
        >>> vae = tfvae.VAE(features, decoder, latents=VectorQuantizer(codes=128))
        >>> vae.compile("adam")
        >>> history = vae.fit(train)
        >>> vae.latents.fit(vae, train)
        >>> images = vae.sample(16)

    References:
        van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017,
        Eqs. 2 and 3.
    """

    has_noise = False

    def __init__(
        self,
        codes: int = 512,
        code_prior: CodePrior | None = None,
        *,
        size: int | None = None,
        commitment: float = 0.25,
        decay: float = 0.99,
        restart: float = 0.05,
        conditioner: keras.layers.Layer | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(conditioner=conditioner, **kwargs)
        for name, value, low in [("codes", codes, 2), ("size", 1 if size is None else size, 1)]:
            if value != int(value) or value < low:
                raise UserError(f"{name} takes an integer from {low}, got {value!r}")
        if not (commitment >= 0 and 0 <= decay < 1 and 0 <= restart < 1):
            raise UserError(
                f"commitment={commitment!r}, decay={decay!r} and restart={restart!r}: give a "
                "number from 0, and two from 0 and below 1"
            )
        self.codes, self.size, self.commitment = int(codes), size, float(commitment)
        self.codebook = Codebook(
            self.codes, decay=decay, restart=restart, dtype=self.variable_dtype
        )
        self.code_prior = code_prior or CodePrior()
        self.perplexity = Perplexity(self.codes)
        self._code_shape = None

    @property
    def code_shape(self) -> tuple[int, ...] | None:
        """Shape of the map of entries."""
        return self._code_shape

    def prepare(self, encoded, data_shape, context=None) -> None:
        """Makes codebook and prior for the encoder's map."""
        if self.built:
            return
        self._code_shape = tuple(self.vectors(encoded).shape[1:])
        self.event_shape = self._code_shape[:-1]
        self.codebook.build(self._code_shape[-1])
        self.code_prior.build(self.event_shape, self.codes, self.vector(context))
        self.code_prior.trainable = False  # it is fitted by itself
        self.built = True

    def check(self, objective) -> None:
        """Refuses an objective that asks for several draws: they would all be the same."""
        if (objective.samples or 1) > 1:
            raise UserError(
                f"{type(objective).__name__} asks for {objective.samples} draws of z, and the code "
                "of a vector quantizer is deterministic, all draws are the same: leave samples out"
            )

    def vectors(self, encoded) -> tf.Tensor:
        """The encoder's vectors v: the last features, cut into pieces where they have a size."""
        features = encoded[-1] if isinstance(encoded, (tuple, list)) else encoded
        if isinstance(features, tfd.Distribution):
            raise UserError(
                "the encoder returned a distribution, and a vector quantizer takes a map of "
                "vectors: take a Keras model without such a layer"
            )
        features = tf.cast(tf.convert_to_tensor(features), self.variable_dtype)
        channels = features.shape[-1]
        size = self.size or channels
        if channels % size:
            raise UserError(f"size={size} does not divide the encoder's {channels} channels")
        if features.shape.rank > 2 and size == channels:
            return features
        shape = tf.concat([tf.shape(features)[:-1], [channels // size, size]], axis=0)
        static = [*features.shape[:-1], channels // size, size]
        return tf.ensure_shape(tf.reshape(features, shape), static)

    def call(self, context=None) -> tfd.Distribution:
        """Makes the prior over maps of codes."""
        return self.code_prior.distribution(self.vector(context))

    def _point(self, codes: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(_Point(codes), len(self.event_shape))

    def posterior(self, encoded, context=None) -> tfd.Distribution:
        """All probability on the map of the nearest codes."""
        return self._point(self.means(encoded))

    def means(self, encoded, context=None) -> tf.Tensor:
        """The map of codes, int32."""
        return self.codebook.nearest(self.vectors(encoded))

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
        """Quantizes, and updates the codebook in training; all of K samples are the same."""
        vectors = self.vectors(encoded)
        codes = self.codebook.nearest(vectors)
        each = tf.reshape(codes, [-1])
        self.perplexity.update_state(each, weights_of(each))
        entries = self.codebook.look_up(codes)
        distances = tf.reduce_sum((vectors - tf.stop_gradient(entries)) ** 2, axis=-1)
        distances = tf.reduce_mean(distances, axis=list(range(1, distances.shape.rank)))
        if training:
            size = self.code_shape[-1]
            flat = tf.reshape(tf.stop_gradient(vectors), [-1, size])
            self.codebook.learn(flat, each, fold_in(as_seed(seed), 1))
        code = vectors + tf.stop_gradient(entries - vectors)
        posterior = self._point(codes)
        if samples is not None:
            codes, code = (
                tf.broadcast_to(t, tf.concat([[samples], tf.shape(t)], axis=0))
                for t in (codes, code)
            )
        code, weights = gate(code)
        penalty = self.commitment * distances
        return (Latent(codes, posterior, self(context=context), penalty, weights),), code

    def code(self, z, context=None) -> tf.Tensor:
        """The entries of a map of codes, `[..., *event]` integers."""
        return self.codebook.look_up(tf.cast(z, tf.int32))

    def every_z(self, limit: int) -> tf.Tensor | None:
        """All maps of codes, if they are no more than `limit`."""
        positions = math.prod(self.event_shape)
        if positions * math.log(self.codes) > math.log(limit) + 1e-9:
            return None
        maps = np.indices([self.codes] * positions, np.int32).reshape([positions, -1]).T
        return tf.constant(maps.reshape([-1, *self.event_shape]))

    def generate(self, n: int, *, context=None, seed=None, temperature=1.0) -> tf.Tensor:
        """Draws n maps of codes from their prior; `temperature` divides its logits."""
        prior = tempered(self(context=context), temperature)
        codes = prior.sample(n if prior.batch_shape.rank == 0 else (), seed=as_seed(seed))
        return self.code(codes)

    def fit(self, vae, dataset, *, epochs: int | None = None, seed: int = 0, verbose=0) -> None:
        """Fits the prior over codes to the codes of a data set.

        Args:
            vae: The model that the quantizer is part of.
            dataset: Batches of x, of (x, context), or of (x, context, sample_weight).
            epochs: Passes over the codes; None: as many as the prior over codes says.
            seed: Seed of the order of the codes.
            verbose: 1 for a progress bar, as in `keras.Model.fit`.
        """

        def look(x, context):
            return vae.encode(x, context).mode(), self.vector(context)

        look = tf.function(look, reduce_retracing=True)
        batches = (vae.inputs_of(batch) for batch in dataset)
        found = [(*look(batch.x, batch.context), batch.weights) for batch in batches]
        codes, vectors, weights = (
            None if parts[0] is None else np.concatenate(parts)
            for parts in zip(*found, strict=True)
        )
        # Whatever order the batches came in, which is another one in a resumed run.
        parts = (vectors, np.reshape(codes, [len(codes), -1]), weights)
        columns = [np.reshape(part, [len(codes), -1]) for part in parts if part is not None]
        order = np.lexsort(np.concatenate(columns, axis=1).T[::-1])
        codes, vectors, weights = (
            None if part is None else part[order] for part in (codes, vectors, weights)
        )
        given = {} if weights is None else {"weights": weights}
        self.code_prior.fit(codes, vectors, epochs=epochs, seed=seed, verbose=verbose, **given)

    def finish(self, vae, dataset) -> None:
        """Fits the prior over codes."""
        self.fit(vae, dataset, seed=vae.seed)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            **super().get_config(),
            "codes": self.codes,
            "size": self.size,
            "commitment": self.commitment,
            "decay": self.codebook.decay,
            "restart": self.codebook.restart,
            "code_prior": keras.saving.serialize_keras_object(self.code_prior),
        }
