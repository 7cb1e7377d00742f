"""Data sets whose batches are made of rows of something in memory: a model's step can do that."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

__all__ = ["MadeOfRows", "Rows", "is_made_of", "rows_of"]


class Rows(NamedTuple):
    """What a batch is made of.

    Attributes:
        counter: A number that no other batch of the run has, int64 scalar.
        item: Which rows, such as their positions `[batch]`.
    """

    counter: Any
    item: Any


@dataclasses.dataclass(frozen=True)
class MadeOfRows:
    """How a data set is made.

    Attributes:
        rows: The data set of `Rows`, one for each batch.
        batch: Makes the batch of `Rows`, inside a graph; the same bits wherever that is done.
    """

    rows: tf.data.Dataset
    batch: Callable[[Rows], Any]


_known: weakref.WeakKeyDictionary[tf.data.Dataset, MadeOfRows] = weakref.WeakKeyDictionary()


def is_made_of(dataset: tf.data.Dataset, made: MadeOfRows) -> None:
    """Notes how a data set is made; one that is made from it, such as by `map`, is another one."""
    _known[dataset] = made


def rows_of(dataset) -> MadeOfRows | None:
    """How a data set is made, or None where that was not noted."""
    return _known.get(dataset) if isinstance(dataset, tf.data.Dataset) else None
