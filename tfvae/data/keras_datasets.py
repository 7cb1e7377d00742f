"""MNIST, Fashion-MNIST and CIFAR-10: from the data folder, else through Keras."""

from __future__ import annotations

import functools
import os

import numpy as np

from tfvae.data.array_source import array_source
from tfvae.data.dataset_info import DatasetInfo
from tfvae.data.files import DATA_DIR_VARIABLE, data_folders
from tfvae.data.npz import read_npz
from tfvae.data.registry import Request, register
from tfvae.data.source import ArraySource
from tfvae.errors import MissingFileError, UserError

__all__ = ["keras_dataset"]

_CLOTHES = (
    "t-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
_THINGS = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_INFOS = {
    "mnist": DatasetInfo.of(
        "mnist", (28, 28, 1), train=60_000, test=10_000, binarization="dynamic",
        classes=tuple("0123456789"),
    ),
    "fashion_mnist": DatasetInfo.of(
        "fashion_mnist", (28, 28, 1), train=60_000, test=10_000, classes=_CLOTHES
    ),
    "cifar10": DatasetInfo.of(
        "cifar10", (32, 32, 3), train=50_000, test=10_000, classes=_THINGS
    ),
}  # fmt: skip
_KEYS = ("x_train", "y_train", "x_test", "y_test")


def keras_dataset(request: Request) -> ArraySource:
    """Makes the source of NAME.npz in a data folder, or of what Keras has or downloads."""
    info = _INFOS[request.name]
    folders = data_folders(request.data_dir)
    for folder in folders:
        path = os.path.join(folder, f"{info.name}.npz")
        if os.path.isfile(path):
            return _from_file(info, path)
    load = functools.partial(_from_keras, info, folders)
    return ArraySource(info, load, has_labels=True)


def _from_file(info: DatasetInfo, path: str) -> ArraySource:
    arrays = read_npz(path)
    missing = [key for key in _KEYS if key not in arrays]
    if missing:
        raise UserError(f"{path} has no {', '.join(missing)}: it needs {', '.join(_KEYS)}")
    source = array_source(info.name, arrays, binarization=info.binarization, classes=info.classes)
    if source.info.shape != info.shape:
        raise UserError(f"{path} has images of {source.info.shape}: {info.name} has {info.shape}")
    return source


def _from_keras(info: DatasetInfo, folders: list[str]) -> tuple[np.ndarray, np.ndarray]:
    import keras

    try:
        (x, y), (x_test, y_test) = getattr(keras.datasets, info.name).load_data()
    except Exception as error:  # Keras wraps what urllib raises in a bare Exception
        cache = os.path.join(os.environ.get("KERAS_HOME", "~/.keras"), "datasets")
        raise MissingFileError(
            f"{info.name} is not here and cannot be downloaded ({str(error).splitlines()[0]}): "
            f"looked for {info.name}.npz in {', '.join([*folders, cache])}; put it into a folder "
            f"and name that by data_dir or {DATA_DIR_VARIABLE}, or try again with a network"
        ) from error
    images = np.concatenate([x, x_test]).reshape(-1, *info.shape)
    return images, np.concatenate([y, y_test]).reshape(-1)


for _name in _INFOS:
    register(_name, keras_dataset)
