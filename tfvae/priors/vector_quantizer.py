"""Vector quantization: a codebook, and a prior over maps of codes."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.batches import unpack
from tfvae.distribute import all_replicas_sum, as_seed, fold_in
from tfvae.errors import UserError
from tfvae.metrics import Perplexity
from tfvae.priors.base import Prior
from tfvae.priors.code_prior import CodePrior
from tfvae.types import Latent, PenalizedLatent

tfd = tfp.distributions

__all__ = ["VectorQuantizer"]


class _Point(tfd.Deterministic):
    """All probability on one map of codes."""

    def _log_prob(self, value):
        return tf.where(tf.equal(value, self.loc), 0.0, -np.inf)


@keras.saving.register_keras_serializable(package="tfvae")
class VectorQuantizer(Prior):
    """The VQ-VAE: z is a map of codes k, of the entries e_k next to the encoder's vectors.

    The decoder takes the map of the e_k. The posterior is all on one map of codes, so that the
    rate is −log p(k), nats: log K per position before the prior over codes is fitted, which `fit`
    does when the training is over. The gradient passes straight through to the encoder's vectors
    v, which

    commitment · mean over positions of |v − e_k|²

    holds near the codebook. That is learned as moving means of the vectors next to each entry:

    N_k ← γ N_k + (1 − γ) n_k;  m_k ← γ m_k + (1 − γ) Σ v;  e_k = m_k / N_k

    over all replicas. An entry whose N_k is below `restart` times their mean is put onto one of
    the batch's vectors.

    Args:
        codes: K, the number of entries.
        code_prior: p(k): `CodePrior`, a categorical at each position, if None; `CodeTransformer`.
        size: Numbers in an entry: the encoder's channels are cut into pieces of this size; None:
            they are one piece.
        commitment: Weight of the encoder's distance to the codebook.
        decay: γ.
        restart: Share of the mean use below which an entry is put elsewhere; 0: never.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        event_shape: Shape of the map of codes.

    Example:
        >>> vae = tfvae.VAE(conv_net, decoder, prior=VectorQuantizer(codes=128))
        >>> history = vae.fit(train)
        >>> vae.prior_layer.fit(vae, train)
        >>> images = vae.sample(16)

    References:
        van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017,
        Eqs. 2 and 3 and Appendix A.1.
        Dhariwal et al., "Jukebox", 2020, Section 3 (restarts).
    """

    def __init__(
        self,
        codes: int = 512,
        code_prior: CodePrior | None = None,
        *,
        size: int | None = None,
        commitment: float = 0.25,
        decay: float = 0.99,
        restart: float = 0.05,
        **kwargs,
    ):
        super().__init__(**kwargs)
        for name, value, low in [("codes", codes, 2), ("size", 1 if size is None else size, 1)]:
            if value != int(value) or value < low:
                raise UserError(f"{name} takes an integer from {low}, got {value!r}")
        if not (commitment >= 0 and 0 <= decay < 1 and 0 <= restart < 1):
            raise UserError(
                f"commitment={commitment!r}, decay={decay!r} and restart={restart!r}: give a "
                "number from 0, and two from 0 and below 1"
            )
        self.codes, self.size = int(codes), size
        self.commitment, self.decay, self.restart = float(commitment), decay, restart
        self.code_prior = code_prior or CodePrior()
        self.perplexity = Perplexity(self.codes)
        self._code_shape = None

    @property
    def code_shape(self) -> tuple[int, ...] | None:
        """Shape of the map of entries."""
        return self._code_shape

    def get_build_config(self) -> None:
        """Nothing: the model builds the quantizer, of what its encoder returns."""

    def prepare(self, encoded, data_shape) -> None:
        """Makes codebook and prior for the encoder's map."""
        if not self.built:
            self._code_shape = tuple(self.vectors(encoded).shape[1:])
            self.event_shape = self._code_shape[:-1]
            self.build(self.event_shape, tuple(data_shape))

    def build(self, event_shape=None, data_shape=None):
        """Makes the weights for maps of codes of this shape."""
        size = self._code_shape[-1]
        fixed = {"trainable": False, "autocast": False, "aggregation": "only_first_replica"}
        start = keras.initializers.RandomUniform(-1.0 / self.codes, 1.0 / self.codes)
        self.codebook = self.add_weight(
            shape=(self.codes, size), initializer=start, name="codebook", **fixed
        )
        self.counts = self.add_weight(
            shape=(self.codes,), initializer="zeros", name="counts", **fixed
        )
        self.sums = self.add_weight(
            shape=(self.codes, size), initializer="zeros", name="sums", **fixed
        )
        self.code_prior.build(self.event_shape, self.codes)
        self.code_prior.trainable = False  # it is fitted by itself

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

    def nearest(self, vectors: tf.Tensor) -> tf.Tensor:
        """The nearest entry of each vector, argmin_k |v − e_k|.

        Args:
            vectors: `[..., size]`.

        Returns:
            int32, `[...]`.
        """
        codebook = tf.convert_to_tensor(self.codebook)
        squares = tf.reduce_sum(codebook**2, axis=-1)
        distances = squares - 2.0 * tf.tensordot(vectors, codebook, [[-1], [-1]])
        return tf.argmin(distances, axis=-1, output_type=tf.int32)

    def call(self, context=None) -> tfd.Distribution:
        """Makes the prior over maps of codes; a context does not change it."""
        return self.code_prior.distribution()

    def _point(self, codes: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(_Point(codes), len(self.event_shape))

    def posterior(self, encoded) -> tfd.Distribution:
        """All probability on the map of the nearest codes."""
        return self._point(self.nearest(self.vectors(encoded)))

    def means(self, encoded, context=None) -> tf.Tensor:
        """The map of codes, int32."""
        return self.nearest(self.vectors(encoded))

    def infer(
        self, encoded, *, context=None, samples=None, seed=None, gate=None, training=False
    ) -> tuple[tuple[Latent, ...], tf.Tensor]:
        """Quantizes, and learns the codebook in training; K samples are K times the same."""
        vectors = self.vectors(encoded)
        codes = self.nearest(vectors)
        self.perplexity.update_state(codes)
        entries = tf.gather(tf.convert_to_tensor(self.codebook), codes)
        distances = tf.reduce_sum((vectors - tf.stop_gradient(entries)) ** 2, axis=-1)
        distances = tf.reduce_mean(distances, axis=list(range(1, distances.shape.rank)))
        if training:
            size = self.code_shape[-1]
            flat = tf.reshape(tf.stop_gradient(vectors), [-1, size])
            self._learn(flat, tf.reshape(codes, [-1]), fold_in(as_seed(seed), 1))
        code = vectors + tf.stop_gradient(entries - vectors)
        posterior = self._point(codes)
        if samples is not None:
            codes, code = (
                tf.broadcast_to(t, tf.concat([[samples], tf.shape(t)], axis=0))
                for t in (codes, code)
            )
        code = code if gate is None else gate(code)
        prior = self(context=context)
        latent = PenalizedLatent(codes, posterior, prior, self.commitment * distances)
        return (latent,), code

    def _learn(self, vectors: tf.Tensor, codes: tf.Tensor, seed: tf.Tensor) -> None:
        """One step of the moving means, the same on all replicas."""
        one_hot = tf.one_hot(codes, self.codes, dtype=vectors.dtype)
        new = tf.concat(
            [tf.reduce_sum(one_hot, axis=0)[:, None], tf.transpose(one_hot) @ vectors], 1
        )
        new = all_replicas_sum(new)
        counts = self.decay * self.counts + (1.0 - self.decay) * new[:, 0]
        sums = self.decay * self.sums + (1.0 - self.decay) * new[:, 1:]
        if self.restart:
            mean = tf.reduce_mean(counts)
            picked, found = self._pick(vectors, seed)
            dead = (counts < self.restart * mean) & found
            counts = tf.where(dead, mean, counts)
            sums = tf.where(dead[:, None], mean * picked, sums)
        used = (counts > 1e-12)[:, None]
        entries = sums / tf.where(used, counts[:, None], 1.0)
        self.codebook.assign(tf.where(used, entries, self.codebook))
        self.counts.assign(counts)
        self.sums.assign(sums)

    def _pick(self, vectors: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """A random vector of the global batch for each entry, and whether there is one.

        Each replica picks for every so many-th entry; the sum over the replicas has them all.
        """
        n = tf.shape(vectors)[0]
        index = tf.random.stateless_uniform([self.codes], seed, 0, tf.maximum(n, 1), tf.int32)
        padded = tf.concat([vectors, tf.zeros([1, vectors.shape[-1]], vectors.dtype)], axis=0)
        replica = tf.distribute.get_replica_context()
        one = replica is None or replica.num_replicas_in_sync == 1
        turn = 0 if one else replica.replica_id_in_sync_group
        every = 1 if one else replica.num_replicas_in_sync
        mine = (tf.range(self.codes) % every == turn) & (n > 0)
        picked = tf.where(mine[:, None], tf.gather(padded, index), 0.0)
        both = tf.concat([picked, tf.cast(mine, vectors.dtype)[:, None]], axis=1)
        both = all_replicas_sum(both)
        return both[:, :-1], both[:, -1] > 0.5

    def code(self, z, context=None) -> tf.Tensor:
        """The entries of a map of codes, `[..., *event]` integers."""
        return tf.gather(tf.convert_to_tensor(self.codebook), tf.cast(z, tf.int32))

    def generate(self, n: int, *, context=None, seed=None, temperature=1.0) -> tf.Tensor:
        """Draws n maps of codes from their prior; `temperature` divides its logits."""
        return self.code(self.code_prior.draw(n, as_seed(seed), temperature))

    def fit(self, vae, dataset, *, epochs: int | None = None, seed: int = 0, verbose=0) -> None:
        """Fits the prior over codes to the codes of a data set.

        Args:
            vae: The model that the quantizer is part of.
            dataset: Batches of x, or of (x, context).
            epochs: Passes over the codes; None: as many as the prior over codes says.
            seed: Seed of the order of the codes.
            verbose: 1 for a progress bar, as in `keras.Model.fit`.
        """
        encode = tf.function(
            lambda x, context: vae.encode(x, context).mode(), reduce_retracing=True
        )
        codes = [encode(*unpack(batch)[:2]).numpy() for batch in dataset]
        self.code_prior.fit(np.concatenate(codes), epochs=epochs, seed=seed, verbose=verbose)

    def finish(self, vae, dataset) -> None:
        """Fits the prior over codes."""
        self.fit(vae, dataset, seed=vae.seed)

    def get_config(self) -> dict:
        """Configuration for saving."""
        names = ("codes", "size", "commitment", "decay", "restart")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "code_prior": keras.saving.serialize_keras_object(self.code_prior),
        }

    @classmethod
    def from_config(cls, config: dict) -> VectorQuantizer:
        """Makes the quantizer of its configuration."""
        return cls(**keras.saving.deserialize_keras_object(config))
