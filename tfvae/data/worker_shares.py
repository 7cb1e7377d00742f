"""Data sets of which each of several workers can read its own share."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import tensorflow as tf

__all__ = ["Share", "can_share", "share_of"]

# (worker, number of workers) -> the data set of that worker's share of each batch
Share = Callable[[int, int], tf.data.Dataset]
_known: weakref.WeakKeyDictionary[tf.data.Dataset, Share] = weakref.WeakKeyDictionary()


def can_share(dataset: tf.data.Dataset, share: Share) -> None:
    """Notes how the shares of a data set are made.

    Args:
        dataset: The data set of whole batches. One that is made from it, such as by `map`, is
            another one.
        share: Takes the number of a worker and how many there are. It must not hold the data set.
    """
    _known[dataset] = share


def share_of(dataset: tf.data.Dataset) -> Share | None:
    """How the shares of a data set are made, or None where that was not noted."""
    return _known.get(dataset)
