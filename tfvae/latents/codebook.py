"""A codebook that is learned as moving means."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.distribute import all_replicas_sum
from tfvae.errors import UserError
from tfvae.latents.example_weights import weights_of
from tfvae.latents.quantization import Quantization
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["Codebook"]

GRACE = 10  # unused for about so many steps, a restarted entry is restarted again


@keras.saving.register_keras_serializable(package="tfvae")
class Codebook(Quantization):
    """Entries e_k, each the moving mean of the vectors v that it is nearest to.

    N_k ← γ N_k + (1 − γ) n_k;  m_k ← γ m_k + (1 − γ) Σ v;  e_k = m_k / N_k

    over all replicas, and commitment · |v − e_k|² holds the vectors near. An entry whose N_k is
    below `restart` times their mean is put onto one of the batch's vectors. Where another entry is
    as near already, it is not used there either: it starts with an N_k that falls below that bound
    again in some ten steps without use, and is put elsewhere.

    Args:
        codes: K, the number of entries.
        commitment: Weight of the distance of the vectors to their entries.
        decay: γ.
        restart: Share of the mean use below which an entry is put elsewhere; 0: never.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> book = Codebook(2)
        >>> book.build(1)
        >>> book.entries.assign([[0.0], [1.0]])
        >>> book.nearest(tf.constant([[0.2], [0.9]])).numpy()
        array([0, 1], dtype=int32)

    References:
        van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017,
        Eqs. 1 to 3 and Appendix A.1.
        Dhariwal et al., "Jukebox", 2020, Section 3 (restarts).
    """

    def __init__(
        self,
        codes: int = 512,
        *,
        commitment: float = 0.25,
        decay: float = 0.99,
        restart: float = 0.05,
        **kwargs: Unpack[LayerOptions],
    ):
        if codes != int(codes) or codes < 2:
            raise UserError(f"codes takes an integer from 2, got {codes!r}")
        if not (commitment >= 0 and 0 <= decay < 1 and 0 <= restart < 1):
            raise UserError(
                f"commitment={commitment!r}, decay={decay!r} and restart={restart!r}: give a "
                "number from 0, and two from 0 and below 1"
            )
        super().__init__(int(codes), **kwargs)
        self.commitment, self.decay, self.restart = float(commitment), decay, restart

    def build(self, size=None):
        """Makes the entries, of `size` numbers each."""
        fixed = {"trainable": False, "autocast": False, "aggregation": "only_first_replica"}
        start = keras.initializers.RandomUniform(-1.0 / self.codes, 1.0 / self.codes)
        for name, shape, initializer in [
            ("entries", (self.codes, size), start),
            ("counts", (self.codes,), "zeros"),
            ("sums", (self.codes, size), "zeros"),
        ]:
            weight = self.add_weight(shape=shape, initializer=initializer, name=name, **fixed)
            setattr(self, name, weight)
        super().build(size)

    def look_up(self, codes: tf.Tensor) -> tf.Tensor:
        """The entries of codes, `[...]` integers: `[..., size]`."""
        return tf.gather(tf.convert_to_tensor(self.entries), codes)

    def nearest(self, vectors: tf.Tensor) -> tf.Tensor:
        """The nearest entry of each vector, argmin_k |v − e_k|.

        Args:
            vectors: `[..., size]`.

        Returns:
            int32, `[...]`.
        """
        entries = tf.convert_to_tensor(self.entries)
        squares = tf.reduce_sum(entries**2, axis=-1)
        distances = squares - 2.0 * tf.tensordot(vectors, entries, [[-1], [-1]])
        return tf.argmin(distances, axis=-1, output_type=tf.int32)

    def penalty(self, vectors: tf.Tensor, entries: tf.Tensor) -> tf.Tensor:
        """The commitment: the squared distance of the vectors to their entries, weighted."""
        return self.commitment * tf.reduce_sum((vectors - entries) ** 2, axis=-1)

    def learn(self, vectors: tf.Tensor, codes: tf.Tensor, seed: tf.Tensor) -> None:
        """One step of the moving means, the same on all replicas.

        An example's weight is that of its vectors, see `example_weights`: with weight 0 it is as
        if it were not there, with weight 2 as if it were there twice.

        Args:
            vectors: This replica's, `[n, size]`.
            codes: The nearest entries, `[n]`.
            seed: Stateless seed of the restarts.
        """
        weights = weights_of(vectors)
        one_hot = tf.one_hot(codes, self.codes, dtype=vectors.dtype)
        if weights is not None:
            one_hot *= weights[:, None]
        new = tf.concat(
            [tf.reduce_sum(one_hot, axis=0)[:, None], tf.transpose(one_hot) @ vectors], 1
        )
        new = all_replicas_sum(new)
        counts = self.decay * self.counts + (1.0 - self.decay) * new[:, 0]
        sums = self.decay * self.sums + (1.0 - self.decay) * new[:, 1:]
        if self.restart:
            mean = tf.reduce_mean(counts)
            picked, found = self._pick(vectors, weights, seed)
            dead = (counts < self.restart * mean) & found
            start = self.restart * mean * (1.0 + GRACE * (1.0 - self.decay))
            counts = tf.where(dead, start, counts)
            sums = tf.where(dead[:, None], start * picked, sums)
        used = (counts > 1e-12)[:, None]
        entries = sums / tf.where(used, counts[:, None], 1.0)
        self.entries.assign(tf.where(used, entries, self.entries))
        self.counts.assign(counts)
        self.sums.assign(sums)

    def _pick(
        self, vectors: tf.Tensor, weights: tf.Tensor | None, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """A random vector of the global batch for each entry, and whether there is one.

        Of R replicas each picks for every R-th entry, and the sum over replicas has them all.
        """
        n = tf.shape(vectors)[0]
        some = n > 0
        if weights is None:
            index = tf.random.stateless_uniform([self.codes], seed, 0, tf.maximum(n, 1), tf.int32)
        else:
            upto = tf.cumsum(weights)
            total = tf.reduce_sum(weights)
            place = total * tf.random.stateless_uniform([self.codes], seed, dtype=vectors.dtype)
            # The first whose sum is above: never one of weight 0.
            index = tf.searchsorted(upto, place, side="right")
            index = tf.minimum(index, tf.maximum(n - 1, 0))
            some = total > 0
        padded = tf.concat([vectors, tf.zeros([1, vectors.shape[-1]], vectors.dtype)], axis=0)
        replica = tf.distribute.get_replica_context()
        one = replica is None or replica.num_replicas_in_sync == 1
        turn = 0 if one else replica.replica_id_in_sync_group
        every = 1 if one else replica.num_replicas_in_sync
        mine = (tf.range(self.codes) % every == turn) & some
        picked = tf.where(mine[:, None], tf.gather(padded, index), 0.0)
        both = tf.concat([picked, tf.cast(mine, vectors.dtype)[:, None]], axis=1)
        both = all_replicas_sum(both)
        return both[:, :-1], both[:, -1] > 0.5

    def get_config(self) -> dict:
        """Configuration for saving."""
        own = {name: getattr(self, name) for name in ("codes", "commitment", "decay", "restart")}
        return {**super().get_config(), **own}
