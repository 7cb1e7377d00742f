"""`load`, `info` and `from_arrays`: the front door of the data."""

from __future__ import annotations

import numbers
import os

import numpy as np
import tensorflow as tf

from tfvae.data.array_source import whole_array_source
from tfvae.data.dataset_info import DatasetInfo
from tfvae.data.few_labels import with_few_labels
from tfvae.data.order import Order
from tfvae.data.pipeline import build_dataset
from tfvae.data.registry import Request, find
from tfvae.data.source import Source
from tfvae.data.splits import parse_split
from tfvae.data.view import View
from tfvae.errors import UserError

__all__ = ["from_arrays", "info", "load", "num_examples"]


def load(
    name: str,
    split: str = "train",
    batch_size: int = 128,
    *,
    binarization: str = "auto",
    values: str = "unit",
    labels: bool = False,
    labelled: int | None = None,
    shuffle: bool | None = None,
    seed: int = 0,
    drop_remainder: bool | None = None,
    repeat: bool = False,
    start_step: int = 0,
    epoch: tf.Variable | None = None,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    damaged: str = "refuse",
    shard: tuple[int, int] | None = None,
    data_dir: str | os.PathLike | None = None,
) -> tf.data.Dataset:
    """Loads a dataset by name, batched and ready for `fit`.

    Args:
        name: `"digits"`, `"sprites"`, `"mnist"`, `"fashion_mnist"`, `"cifar10"`,
            `"npz:FILE[#key]"`, `"images:FOLDER"`, `"tfrecord:GLOB"` or a registered one.
        split: `"train"`, `"test"` or `"all"`, or a slice such as `"train[:50000]"`,
            `"train[90%:]"`.
        batch_size: Examples in a batch, over all replicas.
        binarization: `"auto"` (what is usual for the dataset: dynamic for digits and mnist, else
            none), `"none"`, `"dynamic"` (bits drawn with the grey values as probabilities, anew
            each time an image is seen), `"static"` (drawn once: an image always has the same
            bits) or `"threshold"` (grey >= 0.5).
        values: `"unit"` (grey in [0, 1]) or `"levels"` (0, 1, ..., levels - 1, as float32).
        labels: Whether the elements are (x, label); for sprites the label is the shape factor.
        labelled: With `labels`: how many examples keep their label, as many of each class as can
            be; the others have -1. None: all. For data in memory.
        shuffle: Whether each epoch has an order of its own; `None`: for splits of train.
        seed: Seed of order and noise, both pure functions of (seed, epoch).
        drop_remainder: Whether a last batch that is not full is left out; `None`: where shuffled
            and there is at least one full batch.
        repeat: `False`: one epoch, and each new iteration is the next one. `True`: without end.
        start_step: With `repeat`: the batch of the run to begin with; with `epoch`: that of the
            epoch. What follows is equal to an uninterrupted run, bit for bit.
        epoch: Without `repeat`: an int64 variable that holds the epoch which an iteration gives,
            for a training loop that sets it; `None`: the dataset counts by itself.
        size: `(height, width)` to resize to, for `images:` and `tfrecord:`.
        channels: 1 or 3 to convert to, for `images:` and `tfrecord:`.
        damaged: `"refuse"`, or `"skip"`: of `images:` and `tfrecord:`, every file is read once
            beforehand, and images and records that are damaged are left out; `info` counts them.
        shard: (worker, number of workers): this one's share of each batch; the shares of all are
            the batch, in its order. Each worker reads its own images, and of shuffled TFRecord
            files its own ones; where these cannot be shared out evenly (see
            `docs/distributed.md`), it reads all records and decodes its own. `fit` does this by
            itself under several workers.
        data_dir: Folder with dataset files; then TFVAE_DATA_DIR of the environment is looked at.

    Returns:
        A dataset of x, float32 `[batch, *shape]`, or of (x, label) with int32 `[batch]`.

    Example:
        >>> train = tfvae.data.load("digits", "train", 100)
        >>> train.element_spec.shape
        TensorShape([100, 8, 8, 1])
    """
    request = Request(name, data_dir=data_dir, size=size, channels=channels, damaged=damaged)
    source = find(request)
    if shuffle is None:
        shuffle = isinstance(split, str) and split.startswith("train")
    part = parse_split(split, source.info.splits)
    if labelled is not None:
        if not labels:
            raise UserError(f"labelled={labelled} without labels=True: leave one of the two out")
        labelled, seed = _whole("labelled", labelled, low=1), _whole("seed", seed, low=0)
        source = with_few_labels(source, part, labelled, seed % 2**32)
    return _dataset(
        source, part, batch_size, binarization=binarization,
        values=values, labels=labels, shuffle=shuffle, seed=seed, drop_remainder=drop_remainder,
        repeat=repeat, start_step=start_step, epoch=epoch, shard=shard,
    )  # fmt: skip


def from_arrays(
    x: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    batch_size: int = 128,
    binarization: str = "auto",
    values: str = "unit",
    shuffle: bool = True,
    seed: int = 0,
    drop_remainder: bool | None = None,
    repeat: bool = False,
    start_step: int = 0,
) -> tf.data.Dataset:
    """Puts your own arrays through the same pipeline as `load`.

    Args:
        x: `[n, d]`, `[n, h, w]` (a channel axis is added) or `[n, h, w, channels]`. Whole numbers
            are levels 0..255 (0..1 where there is nothing above); floats stay as they are. A
            pandas frame of numbers, or a sparse matrix of SciPy, which is dense in a batch alone.
        labels: Whole numbers `[n]`: the elements are then (x, label).
        batch_size: Examples in a batch, over all replicas.
        binarization: As for `load`; `"auto"` is `"none"`.
        values: As for `load`.
        shuffle: Whether each epoch has an order of its own. Take `False` for evaluation, which
            also keeps a last batch that is not full.
        seed: As for `load`.
        drop_remainder: As for `load`.
        repeat: As for `load`.
        start_step: As for `load`.

    Returns:
        A dataset of x, float32 `[batch, *shape]`, or of (x, label) with int32 `[batch]`.

    Example:
        >>> train = tfvae.data.from_arrays(x_train, batch_size=64, binarization="dynamic")
        >>> test = tfvae.data.from_arrays(x_test, batch_size=64, shuffle=False)
    """
    source = whole_array_source(x, labels)
    return _dataset(
        source, parse_split("all", source.info.splits), batch_size, binarization=binarization,
        values=values, labels=labels is not None, shuffle=shuffle, seed=seed,
        drop_remainder=drop_remainder, repeat=repeat, start_step=start_step,
    )  # fmt: skip


def info(
    name: str,
    *,
    data_dir: str | os.PathLike | None = None,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    damaged: str = "refuse",
) -> DatasetInfo:
    """Tells what a dataset holds, without a download.

    Example:
        >>> tfvae.data.info("digits").shape
        (8, 8, 1)
    """
    request = Request(name, data_dir=data_dir, size=size, channels=channels, damaged=damaged)
    return find(request).info


def num_examples(
    name: str, split: str = "train", *, data_dir: str | os.PathLike | None = None
) -> int:
    """Counts the examples of a split or of a slice of one.

    Example:
        >>> tfvae.data.num_examples("digits", "train[:90%]")
        1350
    """
    return len(parse_split(split, info(name, data_dir=data_dir).splits))


def _dataset(
    source: Source,
    part: range,
    batch_size: int,
    *,
    binarization: str,
    values: str,
    labels: bool,
    shuffle: bool,
    seed: int,
    drop_remainder: bool | None,
    repeat: bool,
    start_step: int,
    epoch: tf.Variable | None = None,
    shard: tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """Checks the arguments that `load` and `from_arrays` share, and builds the dataset."""
    batch_size = _whole("batch_size", batch_size, low=1)
    seed = _whole("seed", seed, low=0)
    start_step = _whole("start_step", start_step, low=0)
    name = source.info.name
    if labels and not source.has_labels:
        raise UserError(f"labels asked of {name!r}, which has no whole-number labels: labels=False")
    if start_step and not repeat and epoch is None:
        raise UserError(f"start_step={start_step} without repeat=True: a finite dataset has none")
    if epoch is not None and repeat:
        raise UserError("repeat=True counts its epochs itself: leave out epoch, or repeat")
    view = View.of(source.info, binarization, values, seed, unit_range=source.unit_range)
    if drop_remainder is None:
        drop_remainder = shuffle and len(part) >= batch_size
    worker, workers = shard or (0, 1)
    if not 0 <= worker < workers:
        raise UserError(f"shard={shard!r}: give (worker, number of workers), the first from 0")
    order = Order(part, batch_size, bool(drop_remainder), bool(shuffle), seed, worker, workers)
    if order.steps == 0:
        raise UserError(
            f"{name!r} has {len(part)} examples here, fewer than batch_size={batch_size}, and "
            "drop_remainder leaves none: take a smaller batch or drop_remainder=False"
        )
    if epoch is not None and start_step >= order.steps:
        raise UserError(f"start_step={start_step} in an epoch of {order.steps} batches: give less")
    return build_dataset(
        source, order, view, labels=labels, repeat=repeat, start_step=start_step, epoch=epoch
    )


def _whole(name: str, value: object, *, low: int) -> int:
    """Checks a whole number, which may be numpy's."""
    good = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not good or not low <= value < 2**48:
        raise UserError(f"{name} is {value!r}: give a whole number from {low} up")
    return int(value)
