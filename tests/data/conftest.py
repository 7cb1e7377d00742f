import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfvae import data


def encode(image, path):
    encoder = tf.io.encode_png if path.suffix.lower() == ".png" else tf.io.encode_jpeg
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoder(image).numpy())


def random_images(count, shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def unlike_arrays(count, shape):
    """Images that differ from each other, with the labels 0, 1, 2, ... of their order."""
    return random_images(count, shape), np.arange(count)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A data folder with small files under the names of the real ones."""
    folder = tmp_path_factory.mktemp("data")
    for name, shape in (("mnist", (28, 28)), ("fashion_mnist", (28, 28)), ("cifar10", (32, 32, 3))):
        x, y = random_images(150, shape), np.arange(150) % 10
        np.savez(
            folder / f"{name}.npz",
            x_train=x[:120], y_train=y[:120], x_test=x[120:], y_test=y[120:],
        )  # fmt: skip
    x, y = unlike_arrays(150, (6, 6))
    np.savez(folder / "small.npz", x=x, y=y)
    for number, image in enumerate(random_images(60, (6, 5, 3))):
        encode(image, folder / "folder" / "ab"[number % 2] / f"{number}.png")
    x, y = unlike_arrays(100, (6, 6, 1))
    data.write_tfrecord(folder / "part0.tfrecord", x[:70], y[:70])
    data.write_tfrecord(folder / "part1.tfrecord", x[70:], y[70:])
    return folder


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    """Tests see the folders that they name and no other."""
    monkeypatch.delenv("TFVAE_DATA_DIR", raising=False)


@pytest.fixture(scope="session")
def real_mnist():
    """The folder with the real MNIST; skips where there is none."""
    folder = os.environ.get("TFVAE_DATA_DIR")
    if not folder or not (Path(folder) / "mnist.npz").is_file():
        pytest.skip("TFVAE_DATA_DIR names no folder with mnist.npz")
    return folder
