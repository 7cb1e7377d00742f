"""Plain numpy arrays as a source: what they hold, and their splits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from tfvae.data.dataset_info import DatasetInfo
from tfvae.data.source import ArraySource, Source
from tfvae.data.sparse_source import SparseSource
from tfvae.data.splits import split_sizes
from tfvae.data.tables import dense, is_sparse
from tfvae.errors import UserError

__all__ = ["array_source", "whole_array_source"]

# NumPy's legacy generator: its permutations are the same in every version of NumPy.
_SPLIT_SEED = 0


def array_source(
    name: str,
    arrays: np.ndarray | Mapping[str, np.ndarray],
    *,
    binarization: str = "none",
    classes: tuple[str, ...] | None = None,
) -> ArraySource:
    """Makes the source of arrays with their own split, or of one array that is split 90/10.

    Args:
        name: The dataset's name, for messages.
        arrays: `x_train` and `x_test`, each `[n, *shape]`, with or without `y_train` and
            `y_test`, each `[n]`; or one array alone, or one named `x` with or without `y`.
        binarization: What `binarization="auto"` stands for.
        classes: Names of the labels.
    """
    if not isinstance(arrays, Mapping):
        arrays = {"x": arrays}
    if "x_train" in arrays and "x_test" in arrays:
        parts = [_images(arrays[key], f"{key} of {name}") for key in ("x_train", "x_test")]
        if parts[0].shape[1:] != parts[1].shape[1:] or parts[0].dtype != parts[1].dtype:
            raise UserError(
                f"x_train of {name} is {parts[0].dtype} {parts[0].shape[1:]} and x_test is "
                f"{parts[1].dtype} {parts[1].shape[1:]}: both need one type and one shape"
            )
        sizes = (len(parts[0]), len(parts[1]))
        labels = [
            _labels(arrays.get(key), size)
            for key, size in zip(("y_train", "y_test"), sizes, strict=True)
        ]
        images = np.concatenate(parts)
        label = None if any(part is None for part in labels) else np.concatenate(labels)
    elif "x" not in arrays:
        raise UserError(
            f"{name} has the arrays {', '.join(arrays) or 'none'}: name them x_train and x_test "
            "(with y_train and y_test), or x (with y)"
        )
    else:
        images = _images(arrays["x"], f"the array of {name}")
        label = _labels(arrays.get("y"), len(images))
        sizes = split_sizes(len(images))
        order = np.random.RandomState(_SPLIT_SEED).permutation(len(images))
        images = images[order]
        label = None if label is None else label[order]
    return _source(name, images, label, sizes, binarization, classes)


def whole_array_source(images: np.ndarray, labels: np.ndarray | None) -> Source:
    """Makes the source of one array in its own order, without a split."""
    sparse = images.tocsr() if is_sparse(images) else None
    # A sparse matrix is checked by its stored values and a zero.
    images = _images(np.asarray(dense(images)) if sparse is None else _stored(sparse), "x")
    size = len(images) if sparse is None else sparse.shape[0]
    labels = dense(labels)
    label = _labels(labels, size)
    if labels is not None and label is None:
        labels = np.asarray(labels)
        raise UserError(
            f"labels are {labels.dtype} {labels.shape}: for x of {size} examples give "
            f"whole numbers of shape ({size},)"
        )
    if sparse is None:
        return _source("arrays", images, label, (size, 0), "none", None)
    looked_at = _source("arrays", images, None, (size, 0), "none", None)
    info = dataclasses.replace(looked_at.info, shape=sparse.shape[1:])
    stored = sparse.astype(images.dtype)
    return SparseSource(info, stored, label, unit_range=looked_at.unit_range)


def _stored(matrix) -> np.ndarray:
    """The values of a sparse matrix that are stored, and a zero, `[n, 1]`."""
    if 0 in matrix.shape:
        return np.zeros(matrix.shape)
    return np.append(matrix.data, np.zeros(1, matrix.dtype))[:, None]


def _source(
    name: str,
    images: np.ndarray,
    label: np.ndarray | None,
    sizes: tuple[int, int],
    binarization: str,
    classes: tuple[str, ...] | None,
) -> ArraySource:
    """Makes the source, with what the values tell: the levels, or whether they are in [0, 1]."""
    levels, unit_range = None, True
    if images.dtype == np.uint8:
        # Only zeros and ones: a black-and-white image, not a very dark one of 256 levels.
        levels = 2 if images.max() <= 1 else 256
    else:
        unit_range = bool(images.min() >= 0 and images.max() <= 1)
    info = DatasetInfo.of(
        name, images.shape[1:], train=sizes[0], test=sizes[1], levels=levels,
        binarization=binarization, classes=classes,
    )  # fmt: skip
    return ArraySource(
        info, lambda: (images, label), has_labels=label is not None, unit_range=unit_range
    )


def _images(array: np.ndarray, what: str) -> np.ndarray:
    """Brings an array to uint8 levels or float32 values, `[n, d]` or `[n, h, w, channels]`."""
    array = np.asarray(array)
    if array.ndim < 2 or array.size == 0:
        raise UserError(f"{what} has the shape {array.shape}: give [n, *shape], with examples")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    elif np.issubdtype(array.dtype, np.integer):
        low, high = array.min(), array.max()
        if low < 0 or high > 255:
            raise UserError(
                f"{what} holds whole numbers from {low} to {high}: give levels 0..255, or floats"
            )
        array = array.astype(np.uint8, copy=False)
    elif np.issubdtype(array.dtype, np.floating):
        array = array.astype(np.float32, copy=False)
    else:
        raise UserError(f"{what} is of type {array.dtype}: give whole numbers or floats")
    return array[..., None] if array.ndim == 3 else array


def _labels(array: np.ndarray | None, size: int) -> np.ndarray | None:
    """Brings labels to int32 `[n]`; `None` where they are not one whole number an example."""
    if array is None:
        return None
    array = np.asarray(array)
    if array.ndim == 2 and array.shape[1] == 1:  # as cifar10 has them
        array = array[:, 0]
    if array.shape != (size,) or not np.issubdtype(array.dtype, np.integer):
        return None
    return array.astype(np.int32)
