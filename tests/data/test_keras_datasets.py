import keras
import numpy as np
import pytest

from tfvae import data
from tfvae.errors import MissingFileError, UserError


def test_keras_is_asked_where_no_file_is(monkeypatch):
    x, y = np.full((6, 32, 32, 3), 255, np.uint8), np.arange(6, dtype=np.uint8)[:, None]
    monkeypatch.setattr(
        keras.datasets.cifar10, "load_data", lambda: ((x[:4], y[:4]), (x[4:], y[4:]))
    )
    read = data.registry.find(data.Request("cifar10")).open(range(6), labels=True)
    _, images, labels = read(np.array([5, 0]))
    assert images.shape == (2, 32, 32, 3)
    assert labels.numpy().tolist() == [5, 0]


def test_info_downloads_nothing(monkeypatch):
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: pytest.fail("downloaded"))
    info = data.info("mnist")
    assert (info.shape, info.levels, info.binarization) == ((28, 28, 1), 256, "dynamic")
    assert info.splits == {"train": 60_000, "test": 10_000, "all": 70_000}


def test_without_a_network_one_line_names_the_places(monkeypatch, tmp_path):
    def fail():
        raise Exception("URL fetch failure\nwith a second line")  # as Keras raises it

    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", fail)
    with pytest.raises(MissingFileError) as caught:
        data.load("fashion_mnist", data_dir=tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert "URL fetch failure" in message
    assert f"looked for fashion_mnist.npz in {tmp_path}, " in message
    assert "TFVAE_DATA_DIR" in message


def test_environment_names_the_folder(monkeypatch, data_dir):
    monkeypatch.setenv("TFVAE_DATA_DIR", str(data_dir))
    assert data.num_examples("mnist", "train") == 120
    assert data.info("fashion_mnist").classes[9] == "ankle boot"


def test_refusals(tmp_path):
    with pytest.raises(MissingFileError, match="there is no such folder"):
        data.load("mnist", data_dir=tmp_path / "nowhere")
    x = np.zeros((5, 28, 28), np.uint8)
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=x[:, 0, 0], x_test=x)
    with pytest.raises(UserError, match="has no y_test"):
        data.load("mnist", data_dir=tmp_path)
    y = np.arange(5)
    x = np.zeros((5, 28, 27), np.uint8)
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    with pytest.raises(UserError, match=r"images of \(28, 27, 1\): mnist has \(28, 28, 1\)"):
        data.load("mnist", data_dir=tmp_path)


def test_real_mnist(real_mnist):
    """The first labels and the mean grey value of the original."""
    x, labels = next(
        iter(data.load("mnist", "train", 60_000, labels=True, shuffle=False, binarization="none",
                       data_dir=real_mnist))
    )  # fmt: skip
    assert labels[:10].numpy().tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert abs(float(np.mean(x)) - 0.1307) < 1e-4
    assert data.num_examples("mnist", "test", data_dir=real_mnist) == 10_000
