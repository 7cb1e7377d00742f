"""Damaged images and records: found beforehand, where they are to be left out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from tfvae.data.parallelism import threads, without_tuning
from tfvae.data.record_index import Run, whole_records

__all__ = ["readable_images", "readable_runs"]

# What was found in files earlier in this process, by a digest of names, sizes and times.
_known: dict[str, np.ndarray | tuple[list[Run], int]] = {}


def readable_images(paths: tf.data.Dataset) -> np.ndarray:
    """Decodes every file once, in parallel, and tells which can be decoded.

    Args:
        paths: Batches of paths of PNG and JPEG files.

    Returns:
        Their numbers in the order given, ascending.
    """
    key = _digest(path for batch in paths.as_numpy_iterator() for path in batch)
    if key not in _known:

        def decoded(number: tf.Tensor, path: tf.Tensor) -> tf.Tensor:
            return _checked(number, tf.io.read_file(path))

        dataset = paths.unbatch().enumerate()
        _known[key] = _good(dataset.map(decoded, num_parallel_calls=threads()))
    return _known[key]


def readable_runs(path: str) -> tuple[list[Run], int]:
    """Reads a TFRecord file once, and tells which records are whole and hold an image.

    Args:
        path: The file; its end may be cut off.

    Returns:
        The runs of good records, and how many are damaged: at least so many, as what lies between
        two headers that can be read counts as one.
    """
    key = _digest([path])
    if key not in _known:
        stretches, damaged = whole_records(path)
        runs = []
        for number, offsets in stretches:
            good = _decodable(Run(path, len(offsets), number, int(offsets[0])))
            damaged += len(offsets) - len(good)
            for part in np.split(good, np.flatnonzero(np.diff(good) != 1) + 1):
                if len(part):
                    first = int(part[0])
                    runs.append(Run(path, len(part), number + first, int(offsets[first])))
        _known[key] = runs, damaged
    return _known[key]


def _decodable(run: Run) -> np.ndarray:
    """The numbers, in the run, of the records whose image can be decoded; ascending."""

    def decoded(number: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
        features = {"image": tf.io.FixedLenFeature([], tf.string)}
        return _checked(number, tf.io.parse_single_example(record, features)["image"])

    return _good(run.records().enumerate().map(decoded, num_parallel_calls=threads()))


def _checked(number: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """The number, behind a decoding that fails for a damaged image."""
    image = tf.io.decode_image(content, expand_animations=False)
    with tf.control_dependencies([tf.debugging.assert_positive(tf.size(image))]):
        return tf.identity(number)


def _good(numbers: tf.data.Dataset) -> np.ndarray:
    numbers = without_tuning(numbers.ignore_errors().batch(1024))
    found = list(numbers.as_numpy_iterator())
    return np.sort(np.concatenate(found)) if found else np.zeros([0], np.int64)


def _digest(paths: Iterable[str | bytes]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(os.fsencode(path) + f"\0{_state(os.fsdecode(path))}\n".encode())
    return digest.hexdigest()


def _state(path: str) -> tuple[int, ...]:
    """What changes when a file is written anew; nothing where it was removed meanwhile."""
    try:
        if "://" in path:
            state = tf.io.gfile.stat(path)
            return state.length, state.mtime_nsec
        # TensorFlow's time is one of whole seconds, within which a file may be written twice.
        state = os.stat(path)
        return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino
    except (tf.errors.OpError, OSError):
        return ()
