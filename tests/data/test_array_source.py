"""What plain arrays are taken for."""

import numpy as np
import pytest

from tfvae import data
from tfvae.data.array_source import array_source, whole_array_source
from tfvae.errors import UserError


@pytest.mark.parametrize(
    ("array", "shape", "levels"),
    [
        (np.full((4, 3, 2), 9, np.uint8), (3, 2, 1), 256),
        (np.full((4, 3, 2), 200, np.int64), (3, 2, 1), 256),
        (np.full((4, 3, 2, 3), 9, np.uint8), (3, 2, 3), 256),
        (np.full((4, 7), 9, np.uint8), (7,), 256),
        (np.ones((4, 7), np.uint8), (7,), 2),
        (np.ones((4, 7), bool), (7,), 2),
        (np.ones((4, 7), np.float64), (7,), None),
        (np.ones((4, 7), np.float16) * 5, (7,), None),
    ],
)
def test_shape_and_levels(array, shape, levels):
    info = whole_array_source(array, None).info
    assert (info.shape, info.levels) == (shape, levels)
    x = next(data.from_arrays(array, shuffle=False).as_numpy_iterator())
    expected = array.reshape(4, *shape) / (levels - 1 if levels else 1)
    np.testing.assert_allclose(x, expected, rtol=1e-6)


def test_labels_make_pairs():
    x = np.arange(6, dtype=np.uint8)[:, None]
    for labels in (np.arange(6), np.arange(6)[:, None], list(range(6))):
        dataset = data.from_arrays(x, labels, batch_size=3, values="levels")
        for batch, label in dataset.as_numpy_iterator():
            assert label.dtype == np.int32
            assert np.array_equal(batch[:, 0], label)


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (np.zeros(5), None, r"has the shape \(5,\)"),
        (np.zeros((0, 5)), None, r"has the shape \(0, 5\)"),
        (np.full((2, 2), 256), None, "whole numbers from 256 to 256"),
        (np.full((2, 2), -1), None, "whole numbers from -1 to -1"),
        (np.array([["a", "b"]]), None, "of type <U1"),
        (np.zeros((2, 2)), [0], r"labels are int64 \(1,\)"),
        (np.zeros((2, 2)), [0.5, 1.0], "labels are float64"),
    ],
)
def test_refusals(x, labels, message):
    with pytest.raises(UserError, match=message):
        data.from_arrays(x, labels)


def test_splits_of_unlike_shape():
    arrays = {"x_train": np.zeros((3, 2)), "x_test": np.zeros((3, 4))}
    with pytest.raises(UserError, match="both need one type and one shape"):
        array_source("pair", arrays)


def test_arrays_of_other_names():
    with pytest.raises(UserError, match="pair has the arrays u, v: name them"):
        array_source("pair", {"u": np.zeros((3, 2)), "v": np.zeros((3, 2))})
