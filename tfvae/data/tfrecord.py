"""`tfrecord:GLOB`: a stream of images from TFRecord files."""

from __future__ import annotations

import os
import re

import numpy as np
import tensorflow as tf

from tfvae.data.dataset_info import DatasetInfo
from tfvae.data.decoding import batch_decoder, image_shape
from tfvae.data.files import candidates
from tfvae.data.order import Order
from tfvae.data.randomness import Purpose, stateless_key
from tfvae.data.registry import Request, register
from tfvae.data.source import Read, Source
from tfvae.data.tfrecord_files import count_records
from tfvae.errors import MissingFileError, UserError, one_line

__all__ = ["TFRecordSource"]

_BUFFER = 8192  # records, still encoded
_CYCLE = 8  # files read side by side when shuffling
# Whole words: "latest-train" is no test file.
_TEST_WORD = re.compile(r"(?<![a-z])(test|validation)(?![a-z])", re.IGNORECASE)
_TRAIN_WORD = re.compile(r"(?<![a-z])train(?![a-z])", re.IGNORECASE)


class TFRecordSource(Source):
    """Records with the features `image` (PNG or JPEG bytes) and, optionally, `label` (int64).

    Files with "test" or "validation" in their names are the test split where all others have
    "train" in theirs; without such names every tenth record is for testing.
    """

    parallel = True

    def __init__(self, request: Request) -> None:
        train, test = _named_splits(_files(request))
        self._files = train + test
        counts = [count_records(file) for file in self._files]
        # Number of the first record of each file, and the total at the end.
        self._starts = np.cumsum([0, *counts]).tolist()
        total = self._starts[-1]
        if total == 0:
            raise MissingFileError(f"there is no record in the files of {request.name!r}")
        self._every_tenth = not test
        tests = total // 10 if self._every_tenth else total - self._starts[len(train)]
        parsed = _first_record(self._files)
        if not parsed["image"].bytes_list.value:
            raise UserError(
                f"the records of {self._files[0]} have no feature 'image' with bytes: write them "
                "with tfvae.data.write_tfrecord"
            )
        where = f"record 0 of {self._files[0]}"
        shape = image_shape(parsed["image"].bytes_list.value[0], where, request)
        self.has_labels = len(parsed["label"].int64_list.value) == 1
        self._resize = request.size is not None
        self.info = DatasetInfo.of(request.name, shape, train=total - tests, test=tests)

    def items(self, order: Order, epoch: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
        """Lists batches of (position, what it is called, serialized record).

        Files are shuffled, read side by side, and the records shuffled in a buffer.
        """
        part = order.part
        numbers = [number for number in range(len(self._files)) if self._touches(number, part)]
        files = tf.constant([self._files[number] for number in numbers])
        starts = tf.constant([self._starts[number] for number in numbers], tf.int64)
        shuffled = tf.range(len(numbers))
        if order.shuffle:
            shuffled = tf.random.experimental.stateless_shuffle(
                shuffled, seed=stateless_key(order.seed, Purpose.ORDER, epoch)
            )
        records = tf.data.Dataset.from_tensor_slices(
            (tf.gather(files, shuffled), tf.gather(starts, shuffled))
        ).interleave(
            self._records,
            cycle_length=min(_CYCLE, len(numbers)) if order.shuffle else 1,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        records = records.filter(
            lambda position, *_: (position >= part.start) & (position < part.stop)
        )
        if order.shuffle:
            records = _buffered_shuffle(records, order.seed, epoch)
        return records.batch(order.batch_size, drop_remainder=order.full_batches).skip(first)

    def open(self, part: range, *, labels: bool) -> Read:
        """Gives the function that parses and decodes a batch of records."""
        decode = batch_decoder(self.info.shape, resize=self._resize)
        features = {"image": tf.io.FixedLenFeature([], tf.string)}
        if labels:
            features["label"] = tf.io.FixedLenFeature([], tf.int64)

        def read(positions: tf.Tensor, where: tf.Tensor, records: tf.Tensor) -> tuple:
            parsed = tf.io.parse_example(records, features)
            label = tf.cast(parsed["label"], tf.int32) if labels else None
            return positions, decode(parsed["image"], where), label

        return lambda item: read(*item)

    def _touches(self, number: int, part: range) -> bool:
        """Whether a file has any record of the part."""
        if self._every_tenth:
            return True
        return self._starts[number] < part.stop and self._starts[number + 1] > part.start

    def _records(self, file: tf.Tensor, start: tf.Tensor) -> tf.data.Dataset:
        """Reads one file: (position, what it is called, serialized record)."""

        def numbered(number: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, ...]:
            where = tf.strings.join(["record ", tf.strings.as_string(number), " of ", file])
            return self._position(start + number), where, record

        return tf.data.TFRecordDataset(file).enumerate().map(numbered)

    def _position(self, number: tf.Tensor) -> tf.Tensor:
        """Turns the number of a record among all into its position, train before test."""
        if not self._every_tenth:
            return number
        tenth = number // 10
        return tf.where(number % 10 == 9, self.info.splits["train"] + tenth, number - tenth)


def _files(request: Request) -> list[str]:
    places = candidates(request.argument, request.data_dir)
    for place in places:
        files = sorted(tf.io.gfile.glob(place))
        if files:
            return files
    raise MissingFileError(f"no file matches {request.argument!r}: looked for {', '.join(places)}")


def _first_record(files: list[str]) -> dict:
    """The features of the first record."""
    try:
        first = next(iter(tf.data.TFRecordDataset(files).take(1)))
        return tf.train.Example.FromString(first.numpy()).features.feature
    except Exception as error:  # of the file's checksum, or of the record's own format
        raise UserError(
            f"the first record of {files[0]} is damaged ({one_line(error, 80)}): write it anew"
        ) from error


def _named_splits(files: list[str]) -> tuple[list[str], list[str]]:
    """Sorts files by the split in their names; all are train where the names tell no split."""
    test = [file for file in files if _TEST_WORD.search(os.path.basename(file))]
    train = [
        file for file in files if file not in test and _TRAIN_WORD.search(os.path.basename(file))
    ]
    if not train or not test:
        return files, []
    unclear = [file for file in files if file not in test and file not in train]
    if unclear:
        raise UserError(
            f"cannot tell the split of {unclear[0]}: beside files named train and test, each "
            "needs one of the words train, test, validation in its name"
        )
    return train, test


def _buffered_shuffle(records: tf.data.Dataset, seed: int, epoch: tf.Tensor) -> tf.data.Dataset:
    key = stateless_key(seed, Purpose.BUFFER, epoch)
    buffer_seed = tf.random.stateless_uniform([], key, minval=None, maxval=None, dtype=tf.int64)
    # `shuffle` mixes the seed of the graph into its own, and that is tf.random.set_seed's: fixed
    # here, for this graph alone, so that the order depends on (seed, epoch) and nothing else.
    tf.compat.v1.set_random_seed(1)
    return records.shuffle(_BUFFER, seed=buffer_seed, reshuffle_each_iteration=False)


register("tfrecord:", TFRecordSource, resizable=True)
