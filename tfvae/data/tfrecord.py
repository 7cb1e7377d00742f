"""`tfrecord:GLOB`: a stream of images from TFRecord files."""

from __future__ import annotations

import os
import re

import numpy as np
import tensorflow as tf

from tfvae.data.damage import readable_runs
from tfvae.data.dataset_info import DatasetInfo
from tfvae.data.decoding import batch_decoder, image_shape
from tfvae.data.files import candidates
from tfvae.data.order import Order
from tfvae.data.randomness import Purpose, stateless_key
from tfvae.data.record_index import Run, records_at, records_in, whole_or_empty
from tfvae.data.registry import Request, register
from tfvae.data.source import Read, Source
from tfvae.data.tfrecord_files import MANIFEST, records_by_file
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
        if request.damaged == "skip":
            runs = [readable_runs(file) for file in train + test]
            if any(run.offsets is not None for of_file in runs for run in of_file):
                runs = [[run.with_offsets() for run in of_file] for of_file in runs]
            left_out = sum(records_in(file) for file in train + test)
            left_out -= sum(run.count for of_file in runs for run in of_file)
        else:
            files = train + test
            counts = records_by_file(files)
            runs = [[Run(file, count)] for file, count in zip(files, counts, strict=True)]
            left_out = 0
        self._runs = [run for of_file in runs for run in of_file]
        # Number of the first record of each run, and the total at the end.
        self._starts = np.cumsum([0, *(run.count for run in self._runs)]).tolist()
        total = self._starts[-1]
        if total == 0:
            raise MissingFileError(f"there is no record in the files of {request.name!r}")
        self._every_tenth = not test
        trains = sum(run.count for of_file in runs[: len(train)] for run in of_file)
        tests = total // 10 if self._every_tenth else total - trains
        first = next(run for run in self._runs if run.count)
        parsed = _first_record(first)
        if not parsed["image"].bytes_list.value:
            raise UserError(
                f"the records of {first.file} have no feature 'image' with bytes: write them "
                "with tfvae.data.write_tfrecord"
            )
        where = f"record {first.number} of {first.file}"
        shape = image_shape(parsed["image"].bytes_list.value[0], where, request)
        self.has_labels = len(parsed["label"].int64_list.value) == 1
        self._resize = request.size is not None
        self.info = DatasetInfo.of(
            request.name, shape, train=total - tests, test=tests, left_out=left_out
        )

    def items(self, order: Order, epoch: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
        """Lists batches of (position, what it is called, serialized record).

        Files are shuffled, read side by side, and the records shuffled in a buffer.
        """
        part = order.part
        numbers = [number for number in range(len(self._runs)) if self._touches(number, part)]
        by_run = self._by_run(order)
        if by_run:
            numbers = numbers[order.worker :: order.workers]
        runs = [self._runs[number] for number in numbers]
        files = tf.constant([run.file for run in runs])
        places = [
            tf.constant(values, tf.int64)
            for values in (
                list(range(len(runs))),
                [run.count for run in runs],
                [run.number for run in runs],
                [self._starts[number] for number in numbers],
            )
        ]
        by_offset = any(run.offsets is not None for run in runs)

        shuffled = tf.range(len(numbers))
        if order.shuffle:
            shuffled = tf.random.experimental.stateless_shuffle(
                shuffled, seed=stateless_key(order.seed, Purpose.ORDER, epoch)
            )

        def read(file, run, count, first, start) -> tf.data.Dataset:
            """Reads one run: (position, what it is called, serialized record)."""

            def named(place: tf.Tensor, item: tuple) -> tuple:
                number, record = item
                where = tf.strings.join(["record ", tf.strings.as_string(place), " of ", file])
                # Behind a damaged record all are empty: the place stays.
                place += tf.cast(tf.strings.length(record) > 0, tf.int64)
                return place, (self._position(start + number), where, record)

            found = records_at(runs, run, count) if by_offset else whole_or_empty(file, count)
            return found.enumerate().scan(first, named)

        records = tf.data.Dataset.from_tensor_slices(
            tuple(tf.gather(values, shuffled) for values in (files, *places))
        ).interleave(
            read,
            cycle_length=min(_CYCLE, len(numbers)) if order.shuffle else 1,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        records = records.filter(
            lambda position, *_: (position >= part.start) & (position < part.stop)
        )
        if order.shuffle:
            records = _buffered_shuffle(records, order.seed, epoch)
        if by_run:
            records = records.batch(order.batch_size // order.workers, drop_remainder=True)
            return records.take(self.steps(order)).skip(first)
        return order.own_part(
            records.batch(order.batch_size, drop_remainder=order.full_batches).skip(first)
        )

    def steps(self, order: Order) -> int:
        """Batches in an epoch; where workers read files of their own, what the poorest has."""
        if not self._by_run(order):
            return order.steps
        counts = [
            int(np.sum(self._in_part(number, order.part)))
            for number in range(len(self._runs))
            if self._touches(number, order.part)
        ]
        sums = [sum(counts[worker :: order.workers]) for worker in range(order.workers)]
        return min(sums) // (order.batch_size // order.workers)

    def _by_run(self, order: Order) -> bool:
        """Whether each worker reads files of its own."""
        touched = sum(self._touches(number, order.part) for number in range(len(self._runs)))
        return order.shuffle and order.full_batches and 1 < order.workers <= touched

    def _in_part(self, number: int, part: range) -> np.ndarray:
        """Which records of a run are in the part."""
        numbers = np.arange(self._starts[number], self._starts[number + 1])
        positions = self._position(numbers, np)
        return (positions >= part.start) & (positions < part.stop)

    def open(self, part: range, *, labels: bool) -> Read:
        """Gives the function that parses and decodes a batch of records."""
        decode = batch_decoder(self.info.shape, resize=self._resize)
        # A damaged record has no image, and the decoder says which one it is.
        image = {"image": tf.io.FixedLenFeature([], tf.string, default_value="")}
        label = {"label": tf.io.FixedLenFeature([], tf.int64)}

        def read(positions: tf.Tensor, where: tf.Tensor, records: tf.Tensor) -> tuple:
            pixels = decode(tf.io.parse_example(records, image)["image"], where)
            if not labels:
                return positions, pixels, None
            with tf.control_dependencies([pixels]):
                classes = tf.io.parse_example(records, label)["label"]
            return positions, pixels, tf.cast(classes, tf.int32)

        return lambda item: read(*item)

    def _touches(self, number: int, part: range) -> bool:
        """Whether a file has any record of the part."""
        if self._every_tenth:
            return True
        return self._starts[number] < part.stop and self._starts[number + 1] > part.start

    def _position(self, number, library=tf):
        """Turns the number of a record among all into its position, train before test."""
        if not self._every_tenth:
            return number
        tenth = number // 10
        return library.where(number % 10 == 9, self.info.splits["train"] + tenth, number - tenth)


def _files(request: Request) -> list[str]:
    places = candidates(request.argument, request.data_dir)
    for place in places:
        files = sorted(file for file in tf.io.gfile.glob(place) if not file.endswith(MANIFEST))
        if files:
            return files
    raise MissingFileError(f"no file matches {request.argument!r}: looked for {', '.join(places)}")


def _first_record(run: Run) -> dict:
    """The features of the first record."""
    try:
        first = next(iter(run.records()))
        return tf.train.Example.FromString(first.numpy()).features.feature
    except Exception as error:  # of the file's checksum, or of the record's own format
        raise UserError(
            f"the first record of {run.file} is damaged ({one_line(error, 80)}): write it anew"
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
