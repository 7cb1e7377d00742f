"""TFRecord files of images: writing them, and counting their records."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from tfvae.errors import UserError

__all__ = ["count_records", "write_tfrecord"]


def write_tfrecord(
    path: str | os.PathLike, images: Iterable[np.ndarray], labels: Iterable[int] | None = None
) -> None:
    """Writes images to a TFRecord file that `load("tfrecord:...")` reads.

    Args:
        path: The file to write.
        images: uint8, each `[h, w]`, `[h, w, 1]` or `[h, w, 3]`; kept without loss, as PNG.
        labels: A whole number for each image.

    Example:
        >>> tfvae.data.write_tfrecord("train.tfrecord", x_train, y_train)
        >>> train = tfvae.data.load("tfrecord:train.tfrecord", "all")
    """
    images = list(images) if not hasattr(images, "__len__") else images
    labels = None if labels is None else list(labels)
    if labels is not None and len(labels) != len(images):
        raise UserError(f"{len(images)} images and {len(labels)} labels: give one for each image")
    with tf.io.TFRecordWriter(os.fspath(path)) as writer:
        for number, image in enumerate(images):
            feature = {"image": _bytes(_png(image, number))}
            if labels is not None:
                feature["label"] = tf.train.Feature(
                    int64_list=tf.train.Int64List(value=[int(labels[number])])
                )
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())


def count_records(path: str) -> int:
    """Counts the records of a file from their headers, without reading what is in them."""
    local = "://" not in path
    size = os.path.getsize(path) if local else tf.io.gfile.stat(path).length
    count = position = 0
    with open(path, "rb", buffering=0) if local else tf.io.gfile.GFile(path, "rb") as file:
        while position + 12 <= size:
            file.seek(position)
            (length,) = struct.unpack("<Q", file.read(8))
            # A record: 8 bytes of length, 4 of its checksum, the data, 4 of their checksum.
            position += 12 + length + 4
            count += 1
    if position != size:
        raise UserError(
            f"{path} is no TFRecord file, is compressed or was cut short: its record {count} "
            f"would end at byte {position} of {size}; write it anew"
        )
    return count


def _png(image: np.ndarray, number: int) -> bytes:
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., None]
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise UserError(
            f"image {number} is {image.dtype} {image.shape}: give uint8 [h, w, 1] or [h, w, 3]"
        )
    return tf.io.encode_png(image).numpy()


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
