"""Where the records of a TFRecord file begin, and runs of whole ones."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import struct
import tempfile
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from tfvae.errors import UserError

__all__ = ["Run", "count_records", "records_at", "records_in", "runs_of", "whole_or_empty"]

# A record: 8 bytes of length, 4 of its checksum, the data, 4 of their checksum.
HEAD, FRAME = 12, 16
CHUNK = 64  # records that are read in one call


@dataclasses.dataclass(frozen=True)
class Run:
    """Records of a file that follow each other.

    Attributes:
        file: The file.
        count: How many they are.
        number: Number of the first one in the file.
        offsets: Where each record of the run begins, in bytes; None: the run is the whole file.
    """

    file: str
    count: int
    number: int = 0
    offsets: np.ndarray | None = None

    def records(self) -> tf.data.Dataset:
        """The records."""
        if self.offsets is None:
            return tf.data.TFRecordDataset(self.file)
        return records_at([self], 0, self.count)

    def with_offsets(self) -> Run:
        """The same run, read by offsets as well."""
        if self.offsets is not None:
            return self
        return Run(self.file, self.count, 0, np.asarray(_offsets(self.file)[0], np.int64))

    def cut(self, first: int, count: int) -> Run:
        """A part of the run."""
        return Run(self.file, count, self.number + first, self.offsets[first : first + count])


def records_at(runs: Sequence[Run], number: tf.Tensor | int, count: tf.Tensor) -> tf.data.Dataset:
    """The records of one of several runs by their offsets, for use in a graph too.

    TensorFlow's own reader ends where a record is damaged, and begins nowhere but at the front.

    Args:
        runs: The runs.
        number: Which of them.
        count: How many records it has.
    """

    def read(number: np.ndarray, first: np.ndarray) -> np.ndarray:
        run = runs[int(number)]
        with tf.io.gfile.GFile(run.file, "rb") as file:
            records = [_read(file, offset) for offset in run.offsets[first : first + CHUNK]]
        return np.array(records, dtype=object)  # numpy's own strings lose zeros at their end

    def chunk(first: tf.Tensor) -> tf.data.Dataset:
        records = tf.numpy_function(read, [number, first], tf.string)
        return tf.data.Dataset.from_tensor_slices(tf.ensure_shape(records, [None]))

    return tf.data.Dataset.range(0, count, CHUNK).flat_map(chunk)


def whole_or_empty(file: tf.Tensor, count: tf.Tensor) -> tf.data.Dataset:
    """The records of a file; where one is damaged, it and those behind it are empty.

    TensorFlow's own error does not say in which file it was, and nothing behind it can be read.

    Args:
        file: Its path, a scalar.
        count: How many records it has.
    """
    empty = tf.data.Dataset.from_tensors("").repeat()
    return tf.data.TFRecordDataset(file).ignore_errors().concatenate(empty).take(count)


def _read(file: tf.io.gfile.GFile, offset: int) -> bytes:
    """One record; its bytes are known to be good."""
    file.seek(int(offset))
    (length,) = struct.unpack("<Q", file.read(8))
    file.seek(int(offset) + HEAD)
    return file.read(length)


def _offsets(path: str) -> tuple[list[int], int, int]:
    """Where the records begin; then where the last one would end, and where the file does."""
    local = "://" not in path
    size = os.path.getsize(path) if local else tf.io.gfile.stat(path).length
    offsets, position = [], 0
    with open(path, "rb", buffering=0) if local else tf.io.gfile.GFile(path, "rb") as file:
        while position + HEAD <= size:
            file.seek(position)
            (length,) = struct.unpack("<Q", file.read(8))
            offsets.append(position)
            position += FRAME + length
    return offsets, position, size


def count_records(path: str) -> int:
    """Counts the records of a file from their headers, without reading what is in them."""
    offsets, position, size = _offsets(path)
    if position != size:
        raise UserError(
            f"{path} is no TFRecord file, is compressed or was cut short: its record "
            f"{len(offsets)} would end at byte {position} of {size}; write it anew"
        )
    return len(offsets)


def records_in(path: str) -> int:
    """Counts the records of a file that may be damaged; one that is cut short is one."""
    offsets, position, size = _offsets(path)
    return len(offsets) + (position < size)


@contextlib.contextmanager
def _tail(path: str, offset: int) -> Iterator[str]:
    """A file of what follows an offset: the file itself, or a copy for a while."""
    if offset == 0:
        yield path
        return
    with tempfile.NamedTemporaryFile() as copy, tf.io.gfile.GFile(path, "rb") as file:
        file.seek(int(offset))
        while block := file.read(1 << 20):
            copy.write(block)
        copy.flush()
        yield copy.name


def runs_of(path: str) -> list[Run]:
    """Reads a file and finds the runs of records whose checksums fit.

    Args:
        path: The file; its end may be cut off.

    Returns:
        The runs; none where no record is whole.
    """
    offsets = np.asarray(_offsets(path)[0], np.int64)
    runs, first = [], 0
    while first < len(offsets):
        whole = 0
        try:
            with _tail(path, offsets[first]) as tail:
                for _ in tf.data.TFRecordDataset(tail):
                    whole += 1
        except (tf.errors.DataLossError, tf.errors.OutOfRangeError):
            pass
        whole = min(whole, len(offsets) - first)
        if whole:
            runs.append(Run(path, whole, first, offsets[first : first + whole]))
        first += whole + 1  # and leave out the one that is not
    return runs
