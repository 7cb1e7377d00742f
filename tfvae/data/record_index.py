"""Where the records of a TFRecord file begin, and runs of whole ones.

A record is 8 bytes of length, 4 of their checksum, the data, and 4 of their checksum.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import tensorflow as tf

from tfvae.data.checksums import masked_crc
from tfvae.data.parallelism import without_tuning
from tfvae.errors import UserError

__all__ = ["FRAME", "Run", "count_records", "records_at", "whole_or_empty", "whole_records"]

HEAD, FRAME = 12, 16
LARGEST = 1 << 30  # bytes of a record; no image is as large
_AT_ONCE = 1024  # headers whose checksums are computed together
_BLOCK = 1 << 20  # bytes that are searched for a header at a time
_BUFFER = 1 << 18  # bytes that TensorFlow reads ahead
_FEW, _MANY = 64, 8192  # records that are read one by one behind a damaged one


@dataclasses.dataclass(frozen=True)
class Run:
    """Records of a file that follow each other.

    Attributes:
        file: The file.
        count: How many they are.
        number: Number of the first one in the file.
        offset: Where the first one begins, in bytes.
    """

    file: str
    count: int
    number: int = 0
    offset: int = 0

    def records(self) -> tf.data.Dataset:
        """The records; a damaged one is an error."""

        def read(_: tf.Tensor) -> tf.data.Dataset:
            return records_at(self.file, self.offset)

        # Inside a function: iterating over `records_at` itself fails in TensorFlow 2.21, which
        # leaves the offset out when it copies the data set.
        return without_tuning(tf.data.Dataset.range(1).flat_map(read).take(self.count))


def records_at(file: tf.Tensor | str, offset: tf.Tensor | int) -> tf.data.Dataset:
    """The records of a file from a byte on, for use in a graph alone.

    Args:
        file: Its path, a scalar.
        offset: Where the first record begins, a scalar.
    """
    variant = tf.raw_ops.TFRecordDatasetV2(
        filenames=tf.reshape(file, [1]),
        compression_type="",
        buffer_size=tf.constant(_BUFFER, tf.int64),
        byte_offsets=tf.reshape(tf.cast(offset, tf.int64), [1]),
    )
    return tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))


def whole_or_empty(
    file: tf.Tensor, count: tf.Tensor, offset: tf.Tensor | int = 0
) -> tf.data.Dataset:
    """The records of a file; where one is damaged, it and those behind it are empty.

    TensorFlow's own error does not say in which file it was, and nothing behind it can be read.

    Args:
        file: Its path, a scalar.
        count: How many records it has.
        offset: Where the first one begins.
    """
    empty = tf.data.Dataset.from_tensors("").repeat()
    return records_at(file, offset).ignore_errors().concatenate(empty).take(count)


def count_records(path: str) -> int:
    """Counts the records of a file from their headers, without reading what is in them."""
    with _opened(path) as file:
        size = _size(path)
        offsets, end = _headers(file, 0, size)
    if end != size:
        raise UserError(
            f"{path} is no TFRecord file, is compressed or was cut short: its record "
            f"{len(offsets)} at byte {end} of {size} has a damaged header, or would end behind "
            "the file; write it anew, or leave out what is damaged with damaged='skip'"
        )
    return len(offsets)


def whole_records(path: str) -> tuple[list[tuple[int, np.ndarray]], int]:
    """Reads a file and finds the records whose checksums fit.

    Behind a header that is damaged, the next one is searched for: eight bytes that are no larger
    than the rest of the file, with their checksum behind them.

    Args:
        path: The file; its end may be cut off.

    Returns:
        Of each stretch of whole records, the number of the first in the file, and where each
        begins. Then how many are damaged: what lies between two headers that can be read counts
        as one, as nobody can tell how many it was.
    """
    stretches, number, damaged, position, size = [], 0, 0, 0, _size(path)
    with _opened(path) as file:
        while position < size:
            offsets, position = _headers(file, position, size)
            whole = _whole(path, offsets)
            for place in np.split(np.arange(len(offsets)), np.flatnonzero(np.diff(whole)) + 1):
                if len(place) and whole[place[0]]:
                    stretches.append((number + int(place[0]), offsets[place]))
            number += len(offsets)
            damaged += len(offsets) - int(np.sum(whole))
            if position < size:
                position = _next_header(file, position + 1, size)
                number, damaged = number + 1, damaged + 1
    return stretches, damaged


def _size(path: str) -> int:
    return os.path.getsize(path) if "://" not in path else tf.io.gfile.stat(path).length


def _opened(path: str) -> BinaryIO:
    return open(path, "rb", buffering=0) if "://" not in path else tf.io.gfile.GFile(path, "rb")


def _good(heads: np.ndarray, places: np.ndarray, size: int) -> np.ndarray:
    """Which rows of 12 bytes, `[n, 12]`, are the header of a record that ends within the file."""
    lengths = np.ascontiguousarray(heads[:, :8]).view("<u8")[:, 0]
    # One more than what is left of the file, so that 0 can mean too little: lengths are unsigned.
    rest = np.minimum(np.maximum(size - places - FRAME, -1) + 1, LARGEST).astype(np.uint64)
    good = lengths < rest
    some = heads[good]
    good[good] = masked_crc(some[:, :8]) == np.ascontiguousarray(some[:, 8:]).view("<u4")[:, 0]
    return good


def _headers(file: BinaryIO, position: int, size: int) -> tuple[np.ndarray, int]:
    """Goes from header to header.

    Returns:
        Where those that follow each other without a damaged one begin, and where the last ends.
    """
    parts, going = [np.zeros([0], np.int64)], True
    while going:
        heads, places = [], [position]
        while places[-1] + HEAD <= size and len(heads) < _AT_ONCE:
            file.seek(places[-1])
            head = file.read(HEAD)
            if len(head) < HEAD:  # the file became shorter while it was read
                break
            heads.append(head)
            places.append(places[-1] + FRAME + int.from_bytes(head[:8], "little"))
        if not heads:
            break
        begins = np.array([min(place, size) for place in places], np.int64)
        array = np.frombuffer(b"".join(heads), np.uint8).reshape(-1, HEAD)
        good = _good(array, begins[:-1], size)
        count = len(good) if good.all() else int(np.argmin(good))
        parts.append(begins[:count])
        position, going = int(begins[count]), count == _AT_ONCE
    return np.concatenate(parts), position


def _next_header(file: BinaryIO, position: int, size: int) -> int:
    """Where the next header begins; the size of the file where there is none."""
    while position + FRAME <= size:
        file.seek(position)
        block = np.frombuffer(file.read(_BLOCK + HEAD - 1), np.uint8)
        if len(block) < HEAD:
            break
        windows = np.lib.stride_tricks.sliding_window_view(block, HEAD)
        zero, count = block == 0, len(windows)
        # The upper four bytes of a length are 0 and the lower ones are not: few places are left.
        large = np.logical_and.reduce([zero[byte : byte + count] for byte in range(4, 8)])
        small = np.logical_and.reduce([zero[byte : byte + count] for byte in range(4)])
        places = np.flatnonzero(large & ~small)
        good = _good(windows[places], position + places, size)
        if good.any():
            return position + int(places[np.argmax(good)])
        position += count
    return size


def _whole(path: str, offsets: np.ndarray) -> np.ndarray:
    """Which of the records of a stretch have data that fit their checksum."""
    whole, first, some = np.zeros([len(offsets)], bool), 0, _FEW
    while first < len(offsets):
        begin = first
        try:
            for _ in Run(path, len(offsets) - first, 0, int(offsets[first])).records():
                whole[first] = True
                first += 1
        except (tf.errors.DataLossError, tf.errors.OutOfRangeError):
            some = _FEW if first > begin else min(2 * some, _MANY)
            for place in _one_by_one(path, offsets[first : first + some]):
                whole[first + place] = True
            first += some
        else:
            break
    return whole


def _one_by_one(path: str, offsets: np.ndarray) -> Iterator[int]:
    """The numbers of the whole records, among those that begin at the offsets."""

    def read(number: tf.Tensor, offset: tf.Tensor) -> tf.data.Dataset:
        return records_at(path, offset).take(1).ignore_errors().map(lambda _: number)

    records = tf.data.Dataset.from_tensor_slices(offsets).enumerate().flat_map(read)
    yield from (int(number) for number in without_tuning(records).as_numpy_iterator())
