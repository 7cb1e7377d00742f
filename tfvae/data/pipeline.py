"""From a source to a `tf.data.Dataset`: one function of the epoch, finite or without end."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfvae.data.counting import holds
from tfvae.data.order import Order
from tfvae.data.parallelism import PREFETCHED, threads, without_tuning
from tfvae.data.rows import MadeOfRows, Rows, is_made_of
from tfvae.data.source import Source
from tfvae.data.view import View
from tfvae.data.worker_shares import can_share

__all__ = ["build_dataset"]

# To convert the functions of a data set takes autograph most of a second, and finds nothing to do.
as_it_stands = tf.autograph.experimental.do_not_convert


def build_dataset(
    source: Source,
    order: Order,
    view: View,
    *,
    labels: bool,
    repeat: bool,
    start_step: int,
    epoch: tf.Variable | None = None,
) -> tf.data.Dataset:
    """Makes the dataset of batches.

    Args:
        source: Where the examples come from.
        order: How they are put into batches.
        view: How pixels become values.
        labels: Whether the elements are (x, label) instead of x.
        repeat: Whether the dataset goes on from epoch to epoch without end.
        start_step: With `repeat`: number of the batch, counted from the start of the run, to
            begin with; with `epoch`: that of the epoch.
        epoch: Without `repeat`: the epoch that an iteration gives; None: each the next one.

    Returns:
        Batches of x, float32 `[batch, *shape]`, or of (x, label) with int32 `[batch]`.
    """
    if repeat:
        epochs = functools.partial(_endless, steps=order.steps, start_step=start_step)
    else:
        epochs = functools.partial(_one, epoch=_epoch(order, epoch), start_step=start_step)
    size = tf.data.INFINITE_CARDINALITY if repeat else order.steps - start_step
    dataset = _dataset(source, order, view, epochs, size, labels=labels)
    holds(dataset, len(order.part))
    if source.parallel and order.workers == 1:

        def share(worker: int, workers: int) -> tf.data.Dataset:
            own = dataclasses.replace(order, worker=worker, workers=workers)
            return _dataset(source, own, view, epochs, size, labels=labels)

        can_share(dataset, share)
    return dataset


def _dataset(
    source: Source, order: Order, view: View, epochs: Callable, size: int, *, labels: bool
) -> tf.data.Dataset:
    """The dataset of so many batches, or of one worker's share of each."""
    read = source.open(order.part, labels=labels)
    # The functions below live as long as the dataset. They hold this and not the source, whose
    # arrays may go now that the part asked for is in a tensor.
    items = source.items

    @as_it_stands
    def batches(epoch: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
        """The batches of an epoch, each beside a number that no other batch has."""
        # Unshuffled data are for evaluation: always epoch 0, so that a repeat gives the same.
        epoch = tf.cast(epoch if order.shuffle else 0, tf.int64)
        first = tf.cast(first, tf.int64)
        counter = tf.data.Dataset.range(epoch * 2**32 + first, tf.int64.max)
        return tf.data.Dataset.zip(Rows(counter, items(order, epoch, first)))

    @as_it_stands
    def example(rows: Rows) -> Any:
        positions, raw, label = read(rows.item)
        whole = order.size_of(rows.counter % 2**32)
        x = view(raw, positions, rows.counter, (*order.share(whole), whole))
        return (x, label) if labels else x

    rows = epochs(batches)
    dataset = rows.map(
        example,
        num_parallel_calls=threads() if source.parallel else None,
        deterministic=True if source.parallel else None,
    )
    dataset, rows = (_finished(d, size) for d in (dataset, rows))
    if not source.parallel and order.workers == 1:
        is_made_of(dataset, MadeOfRows(rows, example))
    return dataset


def _finished(dataset: tf.data.Dataset, size: int) -> tf.data.Dataset:
    """Says how many elements there are, and how they are shared out; prefetches them."""
    options = tf.data.Options()
    # DATA for files as well: they are listed anew for each epoch, inside a flat_map, where FILE
    # would share out epochs between the workers instead of files.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(size))
    return without_tuning(dataset.with_options(options).prefetch(PREFETCHED))


def _endless(batches: Callable, *, steps: int, start_step: int) -> tf.data.Dataset:
    """Epoch after epoch, from the batch that an uninterrupted run would come to next."""
    start_epoch, start = divmod(start_step, steps)

    def batches_of(epoch: tf.Tensor) -> tf.data.Dataset:
        return batches(epoch, tf.where(epoch == start_epoch, start, 0))

    return tf.data.Dataset.range(start_epoch, tf.int64.max).flat_map(as_it_stands(batches_of))


def _one(batches: Callable, *, epoch: Callable[[], Any], start_step: int) -> tf.data.Dataset:
    """One epoch, whose number is asked for when an iteration begins."""
    return tf.data.Dataset.range(1).flat_map(as_it_stands(lambda _: batches(epoch(), start_step)))


def _epoch(order: Order, epoch: tf.Variable | None) -> Callable[[], Any]:
    """The number that a variable says, or the one after that of the last iteration."""
    if not order.shuffle:
        return lambda: 0
    if epoch is not None:
        return epoch.read_value
    # The dataset holds the variable by this function, and so keeps it alive.
    with tf.device("CPU:0"):
        counter = tf.Variable(-1, dtype=tf.int64, trainable=False, name="epoch")
    return lambda: counter.assign_add(1)
