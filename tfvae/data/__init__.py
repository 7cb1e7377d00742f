"""Datasets by name, your own arrays, folders of images, TFRecord files: one way to `fit`."""

from __future__ import annotations

from tfvae.data import digits, images, keras_datasets, npz, sprite_source, sprites, tfrecord
from tfvae.data.dataset_info import DatasetInfo
from tfvae.data.loading import from_arrays, info, load, num_examples
from tfvae.data.registry import Request, names, register
from tfvae.data.source import ArraySource, IndexedSource, Source
from tfvae.data.tfrecord_files import check_tfrecord, write_tfrecord
from tfvae.lazy import public

# Importing these registered their datasets.
_REGISTERED = (digits, images, keras_datasets, npz, sprite_source, tfrecord)

__all__ = [
    "ArraySource",
    "DatasetInfo",
    "IndexedSource",
    "Request",
    "Source",
    "check_tfrecord",
    "from_arrays",
    "info",
    "load",
    "names",
    "num_examples",
    "register",
    "sprites",
    "write_tfrecord",
]
__dir__ = public(__all__)
