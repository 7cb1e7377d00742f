"""Every dataset of the registry keeps the same promises."""

import numpy as np
import pytest

from tfvae import data

ARGUMENTS = {"npz:": "small.npz", "images:": "folder", "tfrecord:": "part*.tfrecord"}
NAMES = [name + ARGUMENTS.get(name, "") for name in data.names()]
BATCH = 16


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def part(name, data_dir):
    """A slice of train that is neither all of it nor a whole number of batches."""
    return f"train[:{min(data.num_examples(name, data_dir=data_dir), 125) - 1}]"


def batches(name, data_dir, split, **keywords):
    dataset = data.load(name, split, BATCH, data_dir=data_dir, **keywords)
    return list(dataset.as_numpy_iterator())


def rows(batches):
    """The examples of an epoch in an order that does not depend on the shuffling."""
    return sorted(example.tobytes() for batch in batches for example in batch)


def test_info(name, data_dir):
    info = data.info(name, data_dir=data_dir)
    assert info.name == name
    assert info.splits["all"] == info.splits["train"] + info.splits["test"]
    assert info.binarization in ("none", "dynamic")
    assert all(isinstance(side, int) and side > 0 for side in info.shape)


def test_shape_type_and_range(name, data_dir, part):
    info = data.info(name, data_dir=data_dir)
    dataset = data.load(name, part, BATCH, data_dir=data_dir)
    assert dataset.element_spec.shape == (BATCH, *info.shape)
    for x in dataset.as_numpy_iterator():
        assert x.dtype == np.float32
        assert x.shape == (BATCH, *info.shape)
        assert 0 <= x.min() < x.max() <= 1
        if info.binarization == "dynamic":
            assert set(np.unique(x)) == {0, 1}


def test_levels(name, data_dir, part):
    info = data.info(name, data_dir=data_dir)
    x = np.concatenate(batches(name, data_dir, part, values="levels"))
    unit = np.concatenate(batches(name, data_dir, part, binarization="none"))
    assert x.dtype == np.float32
    assert np.array_equal(x, np.round(x))
    assert 0.9 * (info.levels - 1) <= x.max() <= info.levels - 1
    np.testing.assert_allclose(x / (info.levels - 1), unit, rtol=1e-6)


def test_cardinality(name, data_dir, part):
    size = data.num_examples(name, part, data_dir=data_dir)
    for drop_remainder, expected in ((True, size // BATCH), (False, -(-size // BATCH))):
        dataset = data.load(name, part, BATCH, data_dir=data_dir, drop_remainder=drop_remainder)
        assert dataset.cardinality() == expected
        assert len(list(dataset)) == expected
    endless = data.load(name, part, BATCH, data_dir=data_dir, repeat=True)
    assert endless.cardinality() == -1


def test_same_seed_gives_the_same_batches(name, data_dir, part):
    one, two = (batches(name, data_dir, part, seed=3) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    other = batches(name, data_dir, part, seed=4)
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_each_epoch_has_all_examples_in_an_order_of_its_own(name, data_dir, part):
    ordered = batches(name, data_dir, part, shuffle=False, binarization="none")
    dataset = data.load(
        name, part, BATCH, data_dir=data_dir, drop_remainder=False, binarization="none"
    )
    epochs = [list(dataset.as_numpy_iterator()) for _ in range(2)]
    assert rows(epochs[0]) == rows(epochs[1]) == rows(ordered)
    assert not np.array_equal(epochs[0][0], epochs[1][0])
    assert not np.array_equal(epochs[0][0], ordered[0])


@pytest.mark.parametrize("drop_remainder", [True, False])
@pytest.mark.representatives("digits-*", "images*-True", "tfrecord*-True")
def test_resuming_goes_on_as_an_uninterrupted_run(name, data_dir, part, drop_remainder):
    keywords = {"data_dir": data_dir, "drop_remainder": drop_remainder, "binarization": "dynamic"}
    finite = data.load(name, part, BATCH, **keywords)
    steps = int(finite.cardinality())
    run = [x for _ in range(3) for x in finite.as_numpy_iterator()]
    for start in (0, 1, steps, steps + 2):
        endless = data.load(name, part, BATCH, repeat=True, start_step=start, **keywords)
        resumed = list(endless.take(len(run) - start).as_numpy_iterator())
        assert all(np.array_equal(a, b) for a, b in zip(run[start:], resumed, strict=True))


def test_evaluation_is_repeatable_and_complete(name, data_dir):
    size = min(data.num_examples(name, "test", data_dir=data_dir), 40)
    dataset = data.load(name, f"test[:{size}]", BATCH, data_dir=data_dir, binarization="dynamic")
    one, two = (list(dataset.as_numpy_iterator()) for _ in range(2))
    assert sum(map(len, one)) == size
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_labels_belong_to_their_examples(name, data_dir, part):
    """The shuffled pairs are the pairs of the unshuffled ones."""
    info = data.info(name, data_dir=data_dir)

    def pairs(**keywords):
        found = set()
        for x, label in batches(
            name, data_dir, part, labels=True, binarization="none", drop_remainder=False, **keywords
        ):
            assert label.dtype == np.int32
            assert label.shape == x.shape[:1]
            found |= {(example.tobytes(), int(one)) for example, one in zip(x, label, strict=True)}
        return found

    shuffled = pairs()
    assert shuffled == pairs(shuffle=False)
    assert len({label for _, label in shuffled}) > 1
    if info.classes:
        assert {label for _, label in shuffled} <= set(range(len(info.classes)))
