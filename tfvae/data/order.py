"""Which examples make up which batch of which epoch."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from tfvae.data.randomness import Purpose, stateless_key

__all__ = ["Order"]


@dataclasses.dataclass(frozen=True)
class Order:
    """How the examples of a split are put into batches.

    Attributes:
        part: The positions to go through.
        batch_size: Examples in a batch.
        drop_remainder: Whether a last batch that is not full is left out.
        shuffle: Whether each epoch has an order of its own.
        seed: Seed of the order: an epoch's order depends on (seed, epoch) and nothing else.
        worker: Which of the workers reads, from 0.
        workers: How many share a batch.
    """

    part: range
    batch_size: int
    drop_remainder: bool
    shuffle: bool
    seed: int
    worker: int = 0
    workers: int = 1

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        full, rest = divmod(len(self.part), self.batch_size)
        return full + (1 if rest and not self.drop_remainder else 0)

    @property
    def full_batches(self) -> bool:
        """Whether every batch has `batch_size` examples, so that its shape is known beforehand."""
        return self.drop_remainder or len(self.part) % self.batch_size == 0

    def position_batches(self, epoch: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
        """Lists the positions of an epoch, batch by batch: a gather of each is all the shuffling.

        Args:
            epoch: Number of the epoch, int64 scalar.
            first: The batch of this epoch to begin with, int64 scalar.

        Returns:
            A dataset of int64 `[batch]`.
        """
        size = len(self.part)
        if self.shuffle:
            permutation = tf.random.experimental.stateless_shuffle(
                tf.range(size), seed=stateless_key(self.seed, Purpose.ORDER, epoch)
            )

        def batch(number: tf.Tensor) -> tf.Tensor:
            begin = number * self.batch_size
            end = tf.minimum(begin + self.batch_size, size)
            local = permutation[begin:end] if self.shuffle else tf.range(begin, end)
            local.set_shape([self.batch_size if self.full_batches else None])
            return self.part.start + tf.cast(local, tf.int64)

        return self.own_part(tf.data.Dataset.range(first, self.steps).map(batch))

    def own_part(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """The worker's share of each batch: every so many-th example.

        Args:
            batches: Batches of anything, the same on all workers.
        """
        if self.workers == 1:
            return batches
        return batches.map(
            lambda *item: tf.nest.map_structure(
                lambda part: part[self.worker :: self.workers], item if len(item) > 1 else item[0]
            )
        )
