"""Replicas that are logical devices of one processor: they cut whole batches up by themselves."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable

import tensorflow as tf

from tfvae.data.batches import part_of

__all__ = ["WholeBatches", "many_steps", "mirrored", "on_one_processor"]

_made: weakref.WeakSet[tf.distribute.Strategy] = weakref.WeakSet()


@functools.cache
def mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    """The mirrored strategy of devices.

    Of processors, the first one adds up and copies: no collective operation, whose shapes are set
    for good, stands between a loop in the graph and batches of several sizes.
    """
    # One for all: two on the same devices take each other's collective operations for their own.
    if not all("CPU" in device for device in devices):
        return tf.distribute.MirroredStrategy(devices)
    add_up = tf.distribute.ReductionToOneDevice()
    strategy = tf.distribute.MirroredStrategy(devices, cross_device_ops=add_up)
    _made.add(strategy)
    return strategy


def on_one_processor(strategy: tf.distribute.Strategy) -> bool:
    """Whether the replicas are logical devices of this process's processor."""
    return strategy in _made


class WholeBatches(tf.data.Dataset, tf.distribute.DistributedDataset):
    """A data set that passes for one that is shared out already, so that `fit` leaves it as it is.

    TensorFlow would send each replica's part of a batch through an iterator on its device: several
    times the work of a small step, between devices that share one memory.

    Args:
        dataset: Batches, or what they are made of.
    """

    def __init__(self, dataset: tf.data.Dataset):
        self._dataset = dataset
        super().__init__(tf.data.experimental.to_variant(dataset))

    def _inputs(self) -> list[tf.data.Dataset]:
        return [self._dataset]

    @property
    def element_spec(self):
        """The type of an element."""
        return self._dataset.element_spec


def many_steps(
    strategy: tf.distribute.Strategy, step: Callable, batch_of: Callable, count: int
) -> Callable[[tf.data.Iterator], tf.Tensor]:
    """Makes the compiled function that takes several steps on all replicas.

    Args:
        strategy: The strategy.
        step: Takes a replica's part of a batch.
        batch_of: Makes the batch of an element of the iterator.
        count: Steps in one call.

    Returns:
        A function of the iterator that gives the number of steps taken: fewer at the end.
    """

    def on_replica(batch) -> None:
        context = tf.distribute.get_replica_context()
        step(part_of(batch, context.replica_id_in_sync_group, context.num_replicas_in_sync))

    def function(iterator: tf.data.Iterator) -> tf.Tensor:
        def take(taken, more):
            item = iterator.get_next_as_optional()

            def run():
                strategy.run(on_replica, args=(batch_of(item.get_value()),))
                return taken + 1, True

            return tf.cond(item.has_value(), run, lambda: (taken, False))

        taken, _ = tf.while_loop(
            lambda taken, more: more & (taken < count), take, (tf.constant(0), tf.constant(True))
        )
        return taken

    return tf.function(tf.autograph.experimental.do_not_convert(function), reduce_retracing=True)
