import ast
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfvae import data
from tfvae.data import registry
from tfvae.errors import UnknownNameError, UserError


@pytest.fixture(autouse=True)
def registry_as_it_was(monkeypatch):
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))


def test_names():
    assert data.names() == [
        "cifar10", "digits", "fashion_mnist", "images:", "mnist", "npz:", "sprites", "tfrecord:",
    ]  # fmt: skip


def test_own_array():
    data.register("noise", lambda request: np.full((20, 4, 4), 0.25))
    assert data.info("noise").splits == {"train": 18, "test": 2, "all": 20}
    assert np.all(next(data.load("noise", "test").as_numpy_iterator()) == 0.25)


def test_own_arrays_with_labels_and_argument():
    def factory(request):
        x = np.full((6, 2), float(request.argument), np.float32)
        return {"x_train": x, "x_test": x[:2], "y_train": np.arange(6), "y_test": np.arange(2)}

    data.register("constant:", factory)
    x, label = next(data.load("constant:0.5", "test", labels=True).as_numpy_iterator())
    assert np.all(x == 0.5)
    assert label.tolist() == [0, 1]


def test_own_stream():
    class Counting(data.IndexedSource):
        info = data.DatasetInfo.of("counting", (2,), train=50, test=5, levels=None)
        unit_range = False

        def open(self, part, *, labels):
            return lambda positions: (positions, tf.stack([positions, -positions], axis=1), None)

    data.register("counting", lambda request: Counting())
    x = np.concatenate(list(data.load("counting", "test", 2).as_numpy_iterator()))
    assert x.tolist() == [[n, -n] for n in range(50, 55)]
    train = np.concatenate(list(data.load("counting", "train", 10).as_numpy_iterator()))
    assert sorted(train[:, 0]) == list(range(50))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnits", "unknown dataset 'mnits': did you mean 'mnist'.*images:"),
        ("npz", "unknown dataset 'npz': did you mean 'npz:'"),
        ("imges:/some/very/long/path", "unknown dataset 'imges:': did you mean 'images:'"),
        ("mnist:x", "unknown dataset 'mnist:': did you mean 'mnist'"),
        (None, "unknown dataset 'None'"),
    ],
)
def test_unknown_name(name, message):
    with pytest.raises(UnknownNameError, match=message):
        data.load(name)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: data.load("npz:"), "nothing follows the colon"),
        (
            lambda: data.load("digits", size=(4, 4)),
            "size and channels are for images: and tfrecord:",
        ),
        (lambda: data.load("digits", channels=3), "size and channels are for"),
        (lambda: data.info("images:x", size=4), "give .height, width."),
        (lambda: data.info("images:x", size=(4, 0)), "give .height, width."),
        (lambda: data.info("images:x", size=(4, 4, 3)), "give .height, width."),
        (lambda: data.info("images:x", size="ab"), "give .height, width."),
        (lambda: data.info("images:x", channels=2), "channels is 2: give 1"),
        (lambda: data.register("a:b", lambda request: None), "cannot be named 'a:b'"),
        (lambda: data.register("", lambda request: None), "cannot be named ''"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(UserError, match=message):
        call()


def test_import_needs_neither_scikit_learn_nor_pillow():
    """No module of the package imports them at its top."""
    for file in Path(data.__file__).parent.glob("*.py"):
        tops = [node for node in ast.parse(file.read_text()).body
                if isinstance(node, (ast.Import, ast.ImportFrom))]  # fmt: skip
        for node in tops:
            modules = [node.module] if isinstance(node, ast.ImportFrom) else [
                alias.name for alias in node.names
            ]  # fmt: skip
            for module in modules:
                assert module.split(".")[0] not in ("sklearn", "PIL"), file
