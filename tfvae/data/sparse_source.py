"""The rows of a sparse matrix as a source; only those of a batch become dense."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfvae.data.dataset_info import DatasetInfo
from tfvae.data.source import IndexedSource, Read
from tfvae.data.tables import dense_rows

__all__ = ["SparseSource"]


class SparseSource(IndexedSource):
    """A sparse matrix in memory.

    Args:
        info: What it holds.
        matrix: A CSR matrix of SciPy, `[n, d]`, uint8 or float32.
        labels: `[n]`, or None.
        unit_range: Whether the values are grey levels or real numbers in [0, 1].
    """

    def __init__(
        self, info: DatasetInfo, matrix, labels: np.ndarray | None, *, unit_range: bool
    ) -> None:
        self.info, self.unit_range, self.has_labels = info, unit_range, labels is not None
        self._matrix, self._classes = matrix, labels

    def open(self, part: range, *, labels: bool) -> Read:
        """Gives the function that makes rows dense."""
        rows = dense_rows(self._matrix[part.start : part.stop])
        with tf.device("CPU:0"):
            classes = tf.constant(self._classes[part.start : part.stop]) if labels else None

        def read(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
            local = positions - part.start
            return positions, rows(local), tf.gather(classes, local) if labels else None

        return read
