"""How many examples a training set holds: N, whatever its batches and repetitions."""

from __future__ import annotations

import itertools
import math
import weakref

import keras
import tensorflow as tf

from tfvae.data.batches import unpack
from tfvae.distributions.tf_compat import inputs_of

__all__ = ["holds", "number_of_examples"]

_known: weakref.WeakKeyDictionary[tf.data.Dataset, int] = weakref.WeakKeyDictionary()


def holds(dataset: tf.data.Dataset, examples: int) -> None:
    """Notes how many examples a data set holds.

    Args:
        dataset: The data set of batches.
        examples: The number, each example counted once however often it is repeated.
    """
    _known[dataset] = examples


def number_of_examples(x, *, validation_split: float = 0.0) -> int | None:
    """Counts the examples of what `fit` was given, each of them once.

    Of a data set by `tfvae.data` the number is known. Of another one it is the cardinality below
    `batch`, and below `repeat`; where the data come in batches, these are read once. A part of it
    whose length TensorFlow does not know (`filter`, `flat_map`, a generator) leaves it unknown.

    Args:
        x: A `tf.data.Dataset`, an array, a tensor, or a `keras.utils.PyDataset`, whose batches
            but the last are of the size of its first.
        validation_split: Share of an array that Keras holds out.

    Returns:
        N; None where it is unknown.

    Example:
        >>> data = tf.data.Dataset.range(103).shuffle(103).repeat(3).batch(50)
        >>> number_of_examples(data)
        103
    """
    if isinstance(x, tf.data.Dataset):
        if x not in _known and (count := _of_dataset(x)) is not None:
            _known[x] = count
        return _known.get(x)
    if isinstance(x, keras.utils.PyDataset):
        batches = len(x)
        return (batches - 1) * _rows(x[0]) + _rows(x[batches - 1]) if batches else 0
    if hasattr(x, "shape") and hasattr(x, "__len__"):
        return math.floor(len(x) * (1.0 - validation_split))
    return None


def _rows(batch) -> int:
    return int(tf.shape(unpack(batch)[0])[0])


def _of_dataset(dataset: tf.data.Dataset) -> int | None:
    """N, by the data sets that this one was made from."""
    if inputs_of(dataset) is None:
        return None
    chain = _made_from(dataset)
    for place, below in enumerate(chain):
        if below in _known:
            batches = _least(chain[: place + 1])
            if batches is None:
                return None
            if batches >= _size(below):
                return _known[below]
            return _first_batches(below, batches)
    for place, (above, below) in enumerate(itertools.pairwise(chain)):
        if _is_batch_of(above, below):
            return _below_batch(chain, place)
    # The data come in batches.
    batches = _least(chain)
    return None if batches in (None, math.inf) else _read(dataset, batches)


def _first_batches(dataset: tf.data.Dataset, batches: float) -> int:
    """The examples in so many first batches of a data set whose N is known."""
    whole, size = _known[dataset], _size(dataset)
    rows = _shape(dataset)[0] or (None if size == math.inf else math.ceil(whole / size))
    return whole if rows is None else min(whole, int(batches * rows))


def _below_batch(chain: list[tf.data.Dataset], place: int) -> int | None:
    """N, where `chain[place]` makes batches of the rows of the next."""
    rank = _shape(chain[place + 1]).rank
    rows = []
    for below in chain[place + 1 :]:
        if _size(below) is None or _shape(below).rank != rank:
            break
        rows.append(_size(below))
    batches, made = _least(chain[: place + 1]), _size(chain[place])
    if batches is None or not rows or min(rows) == math.inf:
        return None
    if batches < made:  # behind `batch`: `take` and the like
        return min(min(rows), _read(chain[0], batches))
    return int(min(rows))


def _read(dataset: tf.data.Dataset, batches: float) -> int:
    return sum(_rows(batch) for batch in dataset.take(int(batches)))


def _made_from(dataset: tf.data.Dataset) -> list[tf.data.Dataset]:
    """The data set, what it was made from, and so on to the source."""
    chain = [dataset]
    while True:
        inputs = inputs_of(chain[-1])
        zipped = len(inputs) > 1 and _size(chain[-1]) == min(_size(i) or 0 for i in inputs)
        if not inputs or (len(inputs) > 1 and not zipped):
            return chain
        chain.append(inputs[0])


def _size(dataset: tf.data.Dataset) -> float | None:
    """The number of elements; infinity, or None where it is not known."""
    size = int(dataset.cardinality())
    known = {tf.data.INFINITE_CARDINALITY: math.inf, tf.data.UNKNOWN_CARDINALITY: None}
    return known.get(size, size)


def _least(chain: list[tf.data.Dataset]) -> float | None:
    """The smallest known number of elements along a chain; None where none is known."""
    sizes = []
    for dataset in chain:
        if _size(dataset) is None:
            break
        sizes.append(_size(dataset))
    return min(sizes) if sizes else None


def _shape(dataset: tf.data.Dataset) -> tf.TensorShape:
    """The shape of x in an element."""
    specs = tf.nest.flatten(dataset.element_spec)
    return tf.TensorShape(getattr(specs[0], "shape", None))


def _is_batch_of(above: tf.data.Dataset, below: tf.data.Dataset) -> bool:
    batch, row = _shape(above), _shape(below)
    if batch.rank is None or row.rank is None or batch.rank != row.rank + 1:
        return False
    return batch[1:].is_compatible_with(row)
