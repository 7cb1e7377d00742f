"""TFRecord files of images: written in shards, with a manifest of counts and checksums."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from tfvae.data.files import check_regular, sha256
from tfvae.data.record_index import FRAME, count_records
from tfvae.errors import UserError, one_line

__all__ = ["MANIFEST", "check_tfrecord", "records_by_file", "write_tfrecord"]

MANIFEST = ".manifest.json"


def write_tfrecord(
    path: str | os.PathLike,
    images: Iterable[np.ndarray],
    labels: Iterable[int] | None = None,
    *,
    shards: int = 1,
) -> str:
    """Writes images to TFRecord files that `load("tfrecord:...")` reads.

    Images and labels may be generators: one image is in memory at a time. Files and manifest get
    their names when all is written.

    Args:
        path: The file to write; with several shards, `train.tfrecord` stands for
            `train-00000-of-00016.tfrecord` and so on.
        images: uint8, each `[h, w]`, `[h, w, 1]` or `[h, w, 3]`; kept without loss, as PNG.
        labels: A whole number for each image.
        shards: Number of files; images are dealt out to them in turn. Several times the number of
            workers is a good one.

    Returns:
        Path of the manifest, `<path>.manifest.json`: records, bytes and SHA-256 of each file.

    Example:
        >>> tfvae.data.write_tfrecord("train.tfrecord", x_train, y_train, shards=16)  # uint8
        >>> train = tfvae.data.load("tfrecord:train-*.tfrecord", "all")
    """
    path = os.fspath(path)
    if shards != int(shards) or shards < 1:
        raise UserError(f"shards is {shards!r}: give a whole number from 1")
    names = _names(path, int(shards))
    parts = [f"{name}.part" for name in names]
    counts = [0] * len(names)
    try:
        with contextlib.ExitStack() as opened:
            writers = [opened.enter_context(tf.io.TFRecordWriter(part)) for part in parts]
            for number, (image, label) in enumerate(_pairs(images, labels)):
                writers[number % len(names)].write(_example(image, label, number))
                counts[number % len(names)] += 1
        entries = [
            {
                "name": os.path.basename(name),
                "records": count,
                "bytes": tf.io.gfile.stat(part).length,
                "sha256": _sha256(part),
            }
            for name, part, count in zip(names, parts, counts, strict=True)
        ]
        for name, part in zip(names, parts, strict=True):
            tf.io.gfile.rename(part, name, overwrite=True)
    finally:
        for part in parts:
            if tf.io.gfile.exists(part):
                tf.io.gfile.remove(part)
    manifest = {"examples": sum(counts), "labels": labels is not None, "files": entries}
    with tf.io.gfile.GFile(path + MANIFEST + ".part", "w") as file:
        file.write(json.dumps(manifest, indent=2) + "\n")
    tf.io.gfile.rename(path + MANIFEST + ".part", path + MANIFEST, overwrite=True)
    return path + MANIFEST


def check_tfrecord(manifest: str | os.PathLike) -> int:
    """Reads all files of a manifest and compares their checksums.

    Args:
        manifest: What `write_tfrecord` returned.

    Returns:
        The number of records in them.

    Raises:
        UserError: If a file is missing, or has other bytes; it is named.

    Example:
        >>> manifest = tfvae.data.write_tfrecord("train.tfrecord", x_train)
        >>> tfvae.data.check_tfrecord(manifest)
        100
    """
    manifest = os.fspath(manifest)
    entries = _entries(manifest)
    for name, entry in entries.items():
        file = os.path.join(os.path.dirname(manifest), name)
        if not tf.io.gfile.exists(file):
            raise UserError(f"{file} is missing: {manifest} has it")
        if _sha256(file) != entry["sha256"]:
            raise UserError(f"{file} is damaged, its SHA-256 is not that of {manifest}: restore it")
    return sum(entry["records"] for entry in entries.values())


def records_by_file(files: list[str]) -> list[int]:
    """Counts the records of files: from their manifests, else from the headers of the records.

    Args:
        files: Paths.

    Returns:
        A number for each.

    Raises:
        UserError: If a file has not the size that its manifest says, is cut short, or another one
            of the manifest is missing.
    """
    counts = []
    for folder, group in itertools.groupby(files, os.path.dirname):
        known, listed = {}, {}
        for manifest in tf.io.gfile.glob(os.path.join(folder, "*" + MANIFEST)):
            known.update(_entries(manifest))
            listed.update(dict.fromkeys(_entries(manifest), manifest))
        for file in group:
            entry = known.get(os.path.basename(file))
            size = tf.io.gfile.stat(file).length
            if entry is None:
                counts.append(count_records(file))
            elif entry["bytes"] != size:
                raise UserError(
                    f"{file} has {size} bytes and {entry['bytes']} in its manifest: it was cut "
                    f"short or written anew; restore it, or delete {listed[entry['name']]}"
                )
            else:
                counts.append(entry["records"])
        of_these = {listed.get(os.path.basename(file)) for file in files} - {None}
        for name, manifest in listed.items():
            if manifest in of_these and not tf.io.gfile.exists(os.path.join(folder, name)):
                raise UserError(f"{os.path.join(folder, name)} is missing: {manifest} has it")
    return counts


def _entries(manifest: str) -> dict[str, dict]:
    """What a manifest says of each file, by name."""
    check_regular(manifest)
    try:
        with tf.io.gfile.GFile(manifest, "r") as file:
            entries = {entry["name"]: entry for entry in json.loads(file.read())["files"]}
        for name, entry in entries.items():
            if os.path.basename(name) != name or not (
                0 <= int(entry["records"]) * FRAME <= int(entry["bytes"]) and entry["sha256"]
            ):
                raise ValueError(f"the entry of {name!r}")
    except Exception as error:  # whatever is in the file
        raise UserError(
            f"{manifest} is damaged ({one_line(error, 80)}): delete it, or write the files anew"
        ) from error
    return entries


def _names(path: str, shards: int) -> list[str]:
    if shards == 1:
        return [path]
    stem, ending = os.path.splitext(path)
    return [f"{stem}-{number:05d}-of-{shards:05d}{ending}" for number in range(shards)]


def _pairs(images: Iterable, labels: Iterable | None) -> Iterator[tuple]:
    """Images with their labels, or None."""
    if labels is None:
        yield from ((image, None) for image in images)
        return
    sizes = [len(part) if hasattr(part, "__len__") else None for part in (images, labels)]
    if None not in sizes and sizes[0] != sizes[1]:
        raise UserError(f"{sizes[0]} images and {sizes[1]} labels: give one for each image")
    end = object()
    for number, (image, label) in enumerate(itertools.zip_longest(images, labels, fillvalue=end)):
        if image is end or label is end:
            raise UserError(
                f"there are {number} {'images' if image is end else 'labels'} and more "
                f"{'labels' if image is end else 'images'}: give one for each image"
            )
        yield image, label


def _example(image: np.ndarray, label: int | None, number: int) -> bytes:
    feature = {"image": _bytes(_png(image, number))}
    if label is not None:
        feature["label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[int(label)]))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def _sha256(path: str) -> str:
    with tf.io.gfile.GFile(path, "rb") as file:
        return sha256(file)


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
