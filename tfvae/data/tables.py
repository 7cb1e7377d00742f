"""Tables that are no arrays: pandas frames of numbers, and sparse matrices of SciPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfvae.data.parallelism import PREFETCHED, without_tuning
from tfvae.errors import UserError

__all__ = ["dense", "dense_rows", "is_sparse", "sparse_batches"]


def is_sparse(x) -> bool:
    """Whether x is a sparse matrix or array of SciPy, of whatever format."""
    return type(x).__module__.startswith("scipy.sparse")


def dense(x):
    """Makes an array of a table; returns anything else as it is.

    Args:
        x: A pandas frame or series, a sparse matrix, or something else. pandas and SciPy are not
            imported.

    Returns:
        For a table, an array of numbers.

    Raises:
        UserError: If a column of a frame holds no numbers; it is named.
    """
    if is_sparse(x):
        array = x.toarray()
        return array.astype(np.float32) if array.dtype.kind == "f" else array
    if type(x).__module__.partition(".")[0] != "pandas" or not hasattr(x, "to_numpy"):
        return x
    columns = [(name, x[name]) for name in x.columns] if hasattr(x, "columns") else [(x.name, x)]
    for name, column in columns:
        kind = getattr(getattr(column, "dtype", None), "kind", "O")
        if kind not in "biuf":
            raise UserError(
                f"the column {name!r} holds {getattr(column, 'dtype', 'no numbers')}, and no "
                "numbers: leave it out, or code it, as with pandas.get_dummies"
            )
        missing = int(column.isna().sum())
        if missing:
            raise UserError(
                f"the column {name!r} has {missing} missing values: fill or remove them, as with "
                "frame.dropna()"
            )
    whole = all(column.dtype.kind in "biu" for _, column in columns)
    return x.to_numpy(dtype="int64" if whole else "float32")


def dense_rows(matrix) -> Callable[[tf.Tensor], tf.Tensor]:
    """Prepares the taking of rows of a sparse matrix, which stays sparse in memory.

    Args:
        matrix: A sparse matrix of SciPy, `[n, d]`.

    Returns:
        A function of rows' numbers, `[batch]`, for use in a graph: `[batch, d]`.
    """
    matrix = matrix.tocsr().copy()
    matrix.sum_duplicates()
    width = matrix.shape[1]
    values = matrix.data.astype(np.uint8) if matrix.dtype == np.bool_ else matrix.data
    with tf.device("CPU:0"):  # as the arrays of `ArraySource`
        starts = tf.constant(matrix.indptr, tf.int64)
        columns, values = tf.constant(matrix.indices, tf.int64), tf.constant(values)

    def rows(numbers: tf.Tensor) -> tf.Tensor:
        begin, end = tf.gather(starts, numbers), tf.gather(starts, numbers + 1)
        counts = end - begin
        total = tf.reduce_sum(counts)
        row = tf.repeat(tf.range(tf.size(numbers, tf.int64)), counts)
        place = tf.range(total) - tf.repeat(tf.cumsum(counts, exclusive=True) - begin, counts)
        index = tf.stack([row, tf.gather(columns, place)], -1)
        shape = tf.stack([tf.size(numbers, tf.int64), tf.constant(width, tf.int64)])
        return tf.ensure_shape(
            tf.scatter_nd(index, tf.gather(values, place), shape), [numbers.shape[0], width]
        )

    return rows


def sparse_batches(
    x, y=None, weights=None, *, batch_size: int | None = None, shuffle: bool = False
) -> tf.data.Dataset:
    """Batches of a sparse matrix, as Keras makes them of an array; only a batch becomes dense.

    Args:
        x: A sparse matrix of SciPy, `[n, d]`.
        y: The contexts, `[n, ...]`, or None.
        weights: The sample weights, `[n]`, or None.
        batch_size: Examples in a batch; None: 32.
        shuffle: Whether each epoch has an order of its own, drawn from the global seed.

    Returns:
        A data set of x, float32, of `(x, context)` or of `(x, context, weights)`.
    """
    rows, size = dense_rows(x), x.shape[0]
    beside = [None if part is None else tf.constant(dense(part)) for part in (y, weights)]
    if beside == [None, None]:
        beside = []
    elif beside[0] is None:
        beside[0] = tf.zeros([size, 0])
    beside = [part for part in beside if part is not None]

    def batch(numbers: tf.Tensor):
        taken = tf.cast(rows(numbers), tf.float32)
        return (taken, *(tf.gather(part, numbers) for part in beside)) if beside else taken

    numbers = tf.data.Dataset.range(size)
    numbers = numbers.shuffle(size) if shuffle else numbers
    return without_tuning(numbers.batch(batch_size or 32).map(batch).prefetch(PREFETCHED))
