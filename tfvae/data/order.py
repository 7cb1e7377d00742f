"""Which examples make up which batch of which epoch."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from tfvae.data.batches import bounds
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

    def share(self, size: int | tf.Tensor) -> tuple[int | tf.Tensor, int | tf.Tensor]:
        """Where the worker's share of a batch begins and ends.

        Args:
            size: Examples in the batch.
        """
        return bounds(size, self.worker, self.workers)

    def size_of(self, number: tf.Tensor) -> tf.Tensor:
        """Examples in a batch of an epoch, over all workers.

        Args:
            number: The batch's number, from 0.
        """
        return tf.minimum(len(self.part) - number * self.batch_size, self.batch_size)

    @property
    def own_size(self) -> int | None:
        """Examples in this worker's share of a batch; None where that is not always the same."""
        known = self.full_batches and self.batch_size % self.workers == 0
        return self.batch_size // self.workers if known else None

    def position_batches(self, epoch: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
        """Lists the shuffled positions of an epoch, batch by batch: a batch gathers its rows.

        Args:
            epoch: Number of the epoch, int64 scalar.
            first: The batch of this epoch to begin with, int64 scalar.

        Returns:
            A dataset of int64 `[batch]`, the worker's share alone.
        """
        # Slices of one tensor instead of a function of the batch's number: setting functions up
        # takes longer than all slices of a short epoch.
        size = len(self.part)
        local = tf.range(size)
        if self.shuffle:
            local = tf.random.experimental.stateless_shuffle(
                local, seed=stateless_key(self.seed, Purpose.ORDER, epoch)
            )
        positions = self.part.start + tf.cast(local, tf.int64)
        full, rest = divmod(size, self.batch_size)
        begin, end = self.share(self.batch_size)
        rows = tf.reshape(positions[: size - rest], [full, self.batch_size])[:, begin:end]
        batches = tf.data.Dataset.from_tensor_slices(rows[first:])
        if rest and not self.drop_remainder:
            begin, end = self.share(rest)
            last = tf.data.Dataset.from_tensors(positions[size - rest :][begin:end])
            batches = batches.concatenate(last)
        return batches

    def own_part(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """The worker's share of each batch.

        Args:
            batches: Batches of tuples, the same on all workers.
        """

        def cut(part: tf.Tensor) -> tf.Tensor:
            begin, end = self.share(tf.shape(part)[0])
            return tf.ensure_shape(part[begin:end], [self.own_size])

        if self.workers == 1:
            return batches
        return batches.map(lambda *item: tuple(cut(part) for part in item))
