"""Where examples come from: the base of the axis, and the two kinds that most datasets are."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae.data.dataset_info import DatasetInfo
from tfvae.data.order import Order

__all__ = ["ArraySource", "IndexedSource", "Read", "Source"]

# item -> (positions [batch], raw pixels [batch, *shape], labels [batch] or None)
Read = Callable[[Any], tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]]


class Source(abc.ABC):
    """The examples of one dataset, numbered: the training ones first, then the test ones.

    Attributes:
        info: What the dataset holds.
        has_labels: Whether there is an integer label for each example.
        unit_range: Whether the values are grey levels or real numbers in [0, 1].
        parallel: Whether a batch costs so much (decoding, drawing) that several threads pay.
    """

    info: DatasetInfo
    has_labels: bool = False
    unit_range: bool = True
    parallel: bool = False

    @abc.abstractmethod
    def items(self, order: Order, epoch: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
        """Lists what is needed to read the batches of an epoch, from batch number `first` on.

        Of each batch it is the share of one worker, `order.share`. It must be a pure function of
        its arguments (resuming rests on it) and is called inside a graph.
        """

    @abc.abstractmethod
    def open(self, part: range, *, labels: bool) -> Read:
        """Prepares the reading of the examples at the positions `part`.

        The function that it returns turns one item into positions, raw pixels and labels; it is
        called inside a graph, as it stands: autograph converts no `if` or `for` of it.
        """

    def paths(self, most: int) -> list[str]:
        """The files that it reads as training goes, at most so many, evenly spaced; none here."""
        return []


class IndexedSource(Source):
    """A source that can give any example by its position: items are batches of positions."""

    @staticmethod
    def items(order: Order, epoch: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
        """Lists the positions of an epoch, batch by batch."""
        return order.position_batches(epoch, first)


class ArraySource(IndexedSource):
    """Arrays in memory.

    Args:
        info: What the arrays hold.
        load: Gives the images `[n, *shape]` (uint8, or float32 for real values) and the labels
            `[n]` or `None`; called when the dataset is opened and not before.
        has_labels: Whether `load` gives labels.
        unit_range: Whether the values are grey levels or real numbers in [0, 1].
    """

    def __init__(
        self,
        info: DatasetInfo,
        load: Callable[[], tuple[np.ndarray, np.ndarray | None]],
        *,
        has_labels: bool = False,
        unit_range: bool = True,
    ) -> None:
        self.info = info
        self.has_labels = has_labels
        self.unit_range = unit_range
        self._load = load

    def arrays(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The images and the labels, which may be None."""
        return self._load()

    def open(self, part: range, *, labels: bool) -> Read:
        """Puts the part's images in one tensor, as they are stored (8 bits a pixel)."""
        images, classes = self._load()
        # On the host: a tensor made on a GPU would cross the bus back for every batch.
        with tf.device("CPU:0"):
            images = tf.constant(images[part.start : part.stop])
            if labels:
                classes = tf.constant(classes[part.start : part.stop], tf.int32)

        def read(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
            local = positions - part.start
            label = tf.gather(classes, local) if labels else None
            return positions, tf.gather(images, local), label

        return read
