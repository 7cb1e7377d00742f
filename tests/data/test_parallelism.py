import pathlib

import numpy as np
import pytest

from tfvae import data
from tfvae.data.parallelism import MOST_THREADS, threads
from tfvae.data.rows import rows_of


def test_threads():
    assert 1 <= threads() <= MOST_THREADS
    assert threads(1) == threads(0) == 1


@pytest.mark.parametrize("name", ["digits", "sprites", "npz:small.npz", "images:folder",
                                  "tfrecord:part*.tfrecord"])  # fmt: skip
@pytest.mark.parametrize("repeat", [False, True])
def test_no_data_set_is_tuned(name, repeat, data_dir):
    """At the end of an epoch, an iterator waits for the thread that tunes: up to ten seconds."""
    dataset = data.load(name, "train", 10, repeat=repeat, data_dir=data_dir)
    made = rows_of(dataset)
    for one in [dataset, dataset.map(lambda x: x), *([made.rows] if made else [])]:
        assert one.options().autotune.enabled is False
    assert data.from_arrays(np.zeros((20, 2))).options().autotune.enabled is False


def test_each_number_is_given():
    """Where nothing tunes, `AUTOTUNE` stays at its first guess."""
    for file in pathlib.Path(data.__file__).parent.glob("*.py"):
        assert "tf.data.AUTOTUNE" not in file.read_text("utf-8"), file
