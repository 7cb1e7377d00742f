"""Damaged images and records: found beforehand, where they are to be left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from tfvae.data.record_index import Run, records_in, runs_of

__all__ = ["readable_images", "readable_runs"]

# What was found in the files of this process, by a digest of their names, sizes and times.
_known: dict[str, np.ndarray | list[Run]] = {}


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
        _known[key] = _good(dataset.map(decoded, num_parallel_calls=tf.data.AUTOTUNE))
    return _known[key]


def readable_runs(path: str) -> list[Run]:
    """Reads a TFRecord file once, and tells which records are whole and hold an image.

    Args:
        path: The file; its end may be cut off.

    Returns:
        The runs of good records.
    """
    key = _digest([path])
    if key not in _known:
        runs = [part for run in runs_of(path) for part in _decodable(run)]
        if sum(run.count for run in runs) == records_in(path):  # all of it: read as ever
            runs = [Run(path, records_in(path))]
        _known[key] = runs
    return _known[key]


def _decodable(run: Run) -> list[Run]:
    """Cuts the records out of a run whose image cannot be decoded."""

    def decoded(number: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
        features = {"image": tf.io.FixedLenFeature([], tf.string)}
        return _checked(number, tf.io.parse_single_example(record, features)["image"])

    good = _good(run.records().enumerate().map(decoded, num_parallel_calls=tf.data.AUTOTUNE))
    ends = np.flatnonzero(np.diff(good) != 1) + 1
    return [run.cut(int(part[0]), len(part)) for part in np.split(good, ends) if len(part)]


def _checked(number: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """The number, behind a decoding that fails for a damaged image."""
    image = tf.io.decode_image(content, expand_animations=False)
    with tf.control_dependencies([tf.debugging.assert_positive(tf.size(image))]):
        return tf.identity(number)


def _good(numbers: tf.data.Dataset) -> np.ndarray:
    found = list(numbers.ignore_errors().batch(1024).as_numpy_iterator())
    return np.sort(np.concatenate(found)) if found else np.zeros([0], np.int64)


def _digest(paths: Iterable[str | bytes]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        state = tf.io.gfile.stat(path)
        digest.update(f"{path}\0{state.length}\0{state.mtime_nsec}\n".encode())
    return digest.hexdigest()
