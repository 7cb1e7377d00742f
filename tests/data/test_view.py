"""Grey values, levels and the four binarizations."""

import numpy as np
import pytest

from tfvae import data
from tfvae.errors import UserError

GREY = np.tile(np.arange(0, 256, 5, dtype=np.uint8), (4000, 1))  # every image: 52 grey values


def all_of(x, **keywords):
    keywords = {"shuffle": False, "batch_size": 1000, **keywords}
    return np.concatenate(list(data.from_arrays(x, **keywords).as_numpy_iterator()))


@pytest.mark.parametrize("binarization", ["dynamic", "static"])
def test_mean_of_the_bits_is_the_grey_value(binarization):
    bits = all_of(GREY, binarization=binarization)
    assert set(np.unique(bits)) == {0, 1}
    p = GREY[0] / 255
    error = np.sqrt(p * (1 - p) / len(GREY))
    assert np.all(np.abs(bits.mean(axis=0) - p) <= 5 * error)  # black and white: exactly


def test_dynamic_draws_anew_each_time():
    dataset = data.from_arrays(GREY[:100], batch_size=100, binarization="dynamic")
    one, two = (next(dataset.as_numpy_iterator()) for _ in range(2))
    assert 0.2 < np.mean(one != two) < 0.45  # 1/3 in expectation over uniform grey values
    first, second = np.split(all_of(GREY[:200], batch_size=100, binarization="dynamic"), 2)
    assert 0.2 < np.mean(first != second) < 0.45  # another batch, other noise


def test_static_bits_belong_to_the_image():
    """Whatever the epoch, the order, the batch size and the slice."""
    x = np.random.default_rng(0).integers(0, 256, (300, 20), dtype=np.uint8)
    labels = np.arange(300)
    bits = all_of(x, binarization="static", seed=5)
    for keywords in ({"batch_size": 7, "drop_remainder": False}, {"batch_size": 300}):
        dataset = data.from_arrays(x, labels, binarization="static", seed=5, **keywords)
        for _ in range(2):
            for batch, label in dataset.as_numpy_iterator():
                assert np.array_equal(batch, bits[label])
    assert np.mean(all_of(x, binarization="static", seed=6) != bits) > 0.2


def test_static_bits_do_not_depend_on_the_slice():
    def load(split):
        dataset = data.load("digits", split, 100, binarization="static", shuffle=False)
        return np.concatenate(list(dataset.as_numpy_iterator()))

    assert np.array_equal(load("train[200:300]"), load("train")[200:300])
    assert np.array_equal(load("test"), load("all")[1500:])


def test_threshold():
    x = np.array([[0, 127, 128, 255]], np.uint8)
    assert all_of(x, binarization="threshold").tolist() == [[0, 0, 1, 1]]
    x = np.array([[0.0, 0.49, 0.5, 1.0]])
    assert all_of(x, binarization="threshold").tolist() == [[0, 0, 1, 1]]


def test_grey_and_levels():
    x = np.array([[0, 51, 255]], np.uint8)
    np.testing.assert_allclose(all_of(x), [[0, 0.2, 1]], rtol=1e-6)
    assert all_of(x, values="levels").tolist() == [[0, 51, 255]]


def test_auto_with_levels_means_no_binarization():
    x = next(data.load("digits", values="levels").as_numpy_iterator())
    assert set(np.unique(x)) == set(range(17))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"binarization": "statc"}, "unknown binarization 'statc': did you mean 'static'"),
        ({"values": "level"}, "unknown kind of values 'level': did you mean 'levels'"),
        ({"binarization": "static", "values": "levels"}, "a binarized image has no levels"),
    ],
)
def test_refusals(keywords, message):
    with pytest.raises(UserError, match=message):
        data.load("digits", **keywords)


def test_real_values_have_no_levels():
    with pytest.raises(UserError, match="whose values are real"):
        data.from_arrays(np.zeros((4, 2)), values="levels")


def test_binarization_needs_values_from_0_to_1():
    with pytest.raises(UserError, match=r"not all in \[0, 1\]"):
        data.from_arrays(np.full((4, 2), 255.0), binarization="dynamic")
