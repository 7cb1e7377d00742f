"""A latent structure of codes: a rule from vectors to codes, and a prior over maps of codes."""

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
from tfvae.latents.codes_of_data import collected
from tfvae.latents.example_weights import weights_of
from tfvae.latents.quantization import Quantization
from tfvae.metrics import CodeUsage, Perplexity
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.code_prior import CodePrior
from tfvae.priors.temperature import tempered

tfd = tfp.distributions

__all__ = ["Quantizer"]


class _Point(tfd.Deterministic):
    """All probability on one map of codes."""

    def _log_prob(self, value):
        return tf.where(tf.equal(value, self.loc), 0.0, -np.inf)


@keras.saving.register_keras_serializable(package="tfvae")
class Quantizer(ConditionalStructure):
    """z is a map of codes, those that a rule gives to the encoder's vectors.

    The decoder takes the map of what the codes stand for. The posterior is all on one map of codes,
    so that the rate is −log p(k), nats: log K for each code before the prior over codes is fitted,
    which `fit` does when the training is over. The gradient passes straight through to the
    encoder's vectors, and what the rule adds to the loss, such as a commitment, is the mean over
    the positions of the map. `perplexity` and `usage` in the logs say how many codes are in use.

    Args:
        rule: Such as `Codebook(512)`, `Residual(64, depth=4)`, `Grouped(Codebook(64), groups=2)`,
            `FiniteScalar((5, 5, 5))` or `LookupFree(8)`.
        code_prior: p(k): `CodePrior`, a categorical for each code, if None; `CodeTransformer`.
        size: Numbers in a vector: the encoder's channels are cut into pieces of this size; None:
            as many as the rule says, or they are one piece.
        conditioner: Keras layer from the context to a vector, for a conditional prior. Weights of
            its own learn nothing here: share it with encoder or decoder then.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        event_shape: Shape of the map of codes; several codes of a position are its last axis.

    Example:
        >>> features = keras.Sequential([keras.layers.Conv2D(4, 3, 2), keras.layers.Conv2D(3, 1)])
        >>> decoder = Decoder(MLP([16]), tfvae.layers.IndependentBernoulli((8, 8, 1)))
        >>> vae = tfvae.VAE(features, decoder, latents=Quantizer(FiniteScalar((5, 5, 5))))
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
        rule: Quantization,
        code_prior: CodePrior | None = None,
        *,
        size: int | None = None,
        conditioner: keras.layers.Layer | None = None,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(conditioner=conditioner, **kwargs)
        if not isinstance(rule, Quantization):
            raise UserError(f"rule takes a rule such as Codebook(512), got {rule!r}")
        if size is not None and (size != int(size) or size < 1):
            raise UserError(f"size takes an integer from 1, got {size!r}")
        if None not in (size, rule.size) and size != rule.size:
            raise UserError(
                f"size={size}: {type(rule).__name__} takes vectors of {rule.size} numbers, leave "
                "size out"
            )
        self.rule, self.size = rule, size
        self.code_prior = code_prior or CodePrior()
        self.perplexity = Perplexity(rule.codes, depth=rule.depth)
        self.usage = CodeUsage(rule.codes, depth=rule.depth)
        self._code_shape = None

    @property
    def codes(self) -> int:
        """K, the number of values of a code."""
        return self.rule.codes

    @property
    def code_shape(self) -> tuple[int, ...] | None:
        """Shape of the map of vectors."""
        return self._code_shape

    def prepare(self, encoded, data_shape, context=None) -> None:
        """Builds rule and prior for the encoder's map."""
        if self.built:
            return
        self._code_shape = tuple(self.vectors(encoded).shape[1:])
        depth = self.rule.depth
        self.event_shape = (*self._code_shape[:-1], *([depth] if depth > 1 else ()))
        self.rule.build(self._code_shape[-1])
        self.code_prior.build(self.event_shape, self.codes, self.vector(context), depth)
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
        size = self.size or self.rule.size or channels
        if channels % size:
            whose = "" if self.size else f"{type(self.rule).__name__} takes vectors of a size: "
            raise UserError(f"{whose}size={size} does not divide the encoder's {channels} channels")
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
        return self.rule.nearest(self.vectors(encoded))

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
        """Quantizes, and lets the rule learn in training; all of K samples are the same."""
        vectors = self.vectors(encoded)
        seed = fold_in(as_seed(seed), 1)
        codes, code, penalty = self.rule.encode(vectors, seed=seed, training=training)
        each = tf.reshape(codes, [-1])
        for metric in (self.perplexity, self.usage):
            metric.update_state(each, weights_of(each))
        penalty = tf.reduce_mean(penalty, axis=list(range(1, penalty.shape.rank)))
        posterior = self._point(codes)
        if samples is not None:
            codes, code = (
                tf.broadcast_to(t, tf.concat([[samples], tf.shape(t)], axis=0))
                for t in (codes, code)
            )
        code, weights = gate(code)
        return (Latent(codes, posterior, self(context=context), penalty, weights),), code

    def code(self, z, context=None) -> tf.Tensor:
        """What a map of codes stands for, `[..., *event]` integers."""
        return self.rule.look_up(tf.cast(z, tf.int32))

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
        codes, vectors, weights = collected(vae, dataset, self.vector)
        given = {} if weights is None else {"weights": weights}
        self.code_prior.fit(codes, vectors, epochs=epochs, seed=seed, verbose=verbose, **given)

    def finish(self, vae, dataset) -> None:
        """Fits the prior over codes."""
        self.fit(vae, dataset, seed=vae.seed)

    def get_config(self) -> dict:
        """Configuration for saving."""
        parts = {"rule": self.rule, "code_prior": self.code_prior}
        own = {name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}
        return {**super().get_config(), "size": self.size, **own}
