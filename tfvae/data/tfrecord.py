"""`tfrecord:GLOB`: a stream of images from TFRecord files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfvae.data.damage import readable_runs
from tfvae.data.dataset_info import DatasetInfo
from tfvae.data.decoding import batch_decoder, image_shape
from tfvae.data.files import candidates, check_regular
from tfvae.data.order import Order
from tfvae.data.parallelism import threads
from tfvae.data.randomness import Purpose, stateless_key
from tfvae.data.record_index import Run, whole_or_empty
from tfvae.data.registry import Request, register
from tfvae.data.source import Read, Source
from tfvae.data.tfrecord_files import MANIFEST, records_by_file
from tfvae.errors import MissingFileError, UserError

__all__ = ["TFRecordSource"]

_BUFFER = 8192  # records, still encoded, in all lanes
_CYCLE = 8  # files read side by side when shuffling, at least
# Only whole words count: "latest-train" is no test file.
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
            found = [readable_runs(file) for file in train + test]
            runs, left_out = [of_file for of_file, _ in found], sum(count for _, count in found)
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
            kind = "whole record" if left_out else "record"
            raise MissingFileError(f"there is no {kind} in the files of {request.name!r}")
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

    def paths(self, most: int) -> list[str]:
        """The files, at most so many, evenly spaced."""
        files = list(dict.fromkeys(run.file for run in self._runs))
        return files[:: -(-len(files) // most)]

    def items(self, order: Order, epoch: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
        """Lists batches of (position, what it is called, serialized record).

        Files are shuffled and read side by side in lanes, which have equally many records each:
        the first of them has the end of a file whose front the lane before has. Records are
        shuffled in a buffer for each lane, and a batch takes its share of each. So the batches
        are the same however many workers share the lanes.
        """
        counts = self._counts(order.part)
        numbers = np.flatnonzero(counts)
        lanes = _lanes(order, len(numbers))
        numbers = tf.constant(numbers, tf.int64)
        seeds = [None] * lanes
        if order.shuffle:
            key = stateless_key(order.seed, Purpose.ORDER, epoch)
            numbers = tf.random.experimental.stateless_shuffle(numbers, seed=key)
            key = stateless_key(order.seed, Purpose.BUFFER, epoch)
            seeds = tf.random.stateless_uniform([lanes], key, None, None, tf.int64)
        counts = tf.gather(tf.constant(counts, tf.int64), numbers)
        ends, read = tf.cumsum(counts), self._reader(order.part)

        def lane(lane: tf.Tensor) -> tf.data.Dataset:
            begin, end = lane * len(order.part) // lanes, (lane + 1) * len(order.part) // lanes
            runs = tf.searchsorted(ends, [begin + 1, end], out_type=tf.int64)

            def part_of_run(place: tf.Tensor) -> tf.data.Dataset:
                start = ends[place] - counts[place]
                skipped = tf.maximum(begin - start, 0)
                return read(numbers[place]).skip(skipped).take(end - start - skipped)

            side_by_side = -(-_CYCLE // lanes) if order.shuffle else 1
            records = tf.data.Dataset.range(runs[0], runs[1] + 1).interleave(
                part_of_run,
                cycle_length=side_by_side,
                num_parallel_calls=None if side_by_side == 1 else threads(side_by_side),
                deterministic=None if side_by_side == 1 else True,
            )
            return _shuffled(records, _BUFFER // lanes, seeds[lane]) if order.shuffle else records

        own = order.workers if order.own_size and lanes % order.workers == 0 else 1
        of_worker = lanes // own
        low = order.worker * of_worker if own > 1 else 0
        records = tf.data.Dataset.range(low, low + of_worker).interleave(
            lane,
            cycle_length=of_worker,
            block_length=max(1, order.batch_size // lanes),
            num_parallel_calls=threads(of_worker),
            deterministic=True,
        )
        batches = records.batch(order.batch_size // own, drop_remainder=order.full_batches)
        batches = batches.skip(first)
        return batches if own == order.workers else order.own_part(batches)

    def _reader(self, part: range) -> Callable[[tf.Tensor], tf.data.Dataset]:
        """The function that gives what a run has of a part, by its number."""
        files = tf.constant([run.file for run in self._runs])
        places = tf.constant(
            [
                (run.count, run.number, run.offset, start)
                for run, start in zip(self._runs, self._starts, strict=False)
            ],
            tf.int64,
        )

        def read(run: tf.Tensor) -> tf.data.Dataset:
            file, (count, first, offset, start) = files[run], tf.unstack(places[run])

            def named(place: tf.Tensor, item: tuple) -> tuple:
                number, record = item
                where = tf.strings.join(["record ", tf.strings.as_string(place), " of ", file])
                # Records behind a damaged one are empty, so that the others keep their places.
                place += tf.cast(tf.strings.length(record) > 0, tf.int64)
                return place, (self._position(start + number), where, record)

            return (
                whole_or_empty(file, count, offset)
                .enumerate()
                .scan(first, named)
                .filter(lambda position, *_: (position >= part.start) & (position < part.stop))
            )

        return read

    def _counts(self, part: range) -> np.ndarray:
        """How many records of a part each run has."""
        starts = np.asarray(self._starts)
        tests = starts // 10 if self._every_tenth else 0 * starts
        trains = self.info.splits["train"] if self._every_tenth else 0

        def below(positions: np.ndarray) -> np.ndarray:
            return np.clip(positions, part.start, part.stop)

        return np.diff(below(starts - tests) + below(trains + tests))

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
        for file in files:
            check_regular(file)
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
            f"record {run.number} of {run.file} is damaged: write it anew, or leave out what is "
            "damaged with damaged='skip'"
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


def _lanes(order: Order, runs: int) -> int:
    """How many lanes records are read in: no more than files, and they divide the batch.

    A number with many divisors, as each worker has equally many of them.
    """
    if not order.shuffle:
        return 1
    return next(n for n in (24, 12, 8, 6, 4, 3, 2, 1) if n <= runs and order.batch_size % n == 0)


def _shuffled(records: tf.data.Dataset, buffer: int, seed: tf.Tensor) -> tf.data.Dataset:
    # `shuffle` mixes the graph's seed, that of tf.random.set_seed, into its own. It is fixed here,
    # for this graph alone, so that the order depends on (seed, epoch) and nothing else.
    tf.compat.v1.set_random_seed(1)
    return records.shuffle(buffer, seed=seed, reshuffle_each_iteration=False)


register("tfrecord:", TFRecordSource, resizable=True)
