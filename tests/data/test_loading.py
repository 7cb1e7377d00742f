import numpy as np
import pytest

from tfvae import data
from tfvae.errors import UserError


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0: give a whole number from 1 up"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"batch_size": True}, "batch_size is True"),
        ({"batch_size": 2000, "drop_remainder": True}, "fewer than batch_size=2000"),
        ({"seed": -1}, "seed is -1: give a whole number from 0 up"),
        ({"start_step": -1, "repeat": True}, "start_step is -1"),
        ({"start_step": 3}, "start_step=3 without repeat=True"),
        ({"split": "train[:50000]"}, "there are 1500 examples"),
        ({"split": "valid"}, "unknown split 'valid'"),
    ],
)
def test_refusals(keywords, message):
    with pytest.raises(UserError, match=message) as caught:
        data.load("digits", **keywords)
    assert "\n" not in str(caught.value)


def test_labels_where_there_are_none(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((10, 2)))
    with pytest.raises(UserError, match="labels asked of 'npz:"):
        data.load(f"npz:{tmp_path}/a.npz", labels=True)


def test_train_is_shuffled_and_test_is_not():
    def first(split):
        return data.load("digits", split, 50, values="levels").take(1).get_single_element().numpy()

    def ordered(split):
        return data.load("digits", split, 50, values="levels", shuffle=False)

    for split, same in (
        ("test", True),
        ("all[:500]", True),
        ("train", False),
        ("train[:90%]", False),
    ):
        assert np.array_equal(first(split), next(ordered(split).as_numpy_iterator())) == same


def test_numbers_may_be_those_of_numpy():
    dataset = data.load("digits", batch_size=np.int64(10), seed=np.int32(3))
    assert dataset.cardinality() == 150


def test_num_examples():
    assert data.num_examples("digits", "train[:90%]") == 1350
    assert data.num_examples("sprites", "test") == 10_000


def test_info_is_frozen():
    with pytest.raises(AttributeError):
        data.info("digits").name = "other"
