import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from tfvae import data
from tfvae.errors import UserError


def numbers(dataset):
    return [x[:, 0].astype(int).tolist() for x in dataset.as_numpy_iterator()]


@pytest.fixture
def x():
    return np.arange(10, dtype=np.float32)[:, None]


@pytest.mark.exhaustive
def test_epoch_counter_outlives_its_makers(x):
    """Only the dataset, or one made from it, holds the variable with the epoch's number."""
    dataset = data.from_arrays(x, batch_size=5).map(lambda x: x + 0)
    gc.collect()
    epochs = [numbers(dataset) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    fresh = data.from_arrays(x, batch_size=5)
    assert [numbers(fresh) for _ in range(3)] == epochs


def test_epoch_of_a_variable():
    """The loop that owns the variable says which epoch an iteration gives."""
    counted = data.load("digits", batch_size=500)
    epochs = [next(counted.as_numpy_iterator()) for _ in range(3)]
    epoch = tf.Variable(2, dtype=tf.int64)
    said = data.load("digits", batch_size=500, epoch=epoch)
    for number in (2, 2, 0, 1):
        epoch.assign(number)
        assert np.array_equal(next(said.as_numpy_iterator()), epochs[number])
    with pytest.raises(UserError, match="leave out epoch, or repeat"):
        data.load("digits", repeat=True, epoch=epoch)


def test_global_seed_plays_no_part(x):
    tf.random.set_seed(1)
    one = numbers(data.from_arrays(x, batch_size=5))
    tf.random.set_seed(2)
    assert numbers(data.from_arrays(x, batch_size=5)) == one


def test_drop_remainder(x):
    assert [len(b) for b in numbers(data.from_arrays(x, batch_size=4))] == [4, 4]
    assert [len(b) for b in numbers(data.from_arrays(x, batch_size=4, shuffle=False))] == [4, 4, 2]
    assert [len(b) for b in numbers(data.from_arrays(x, batch_size=16))] == [10]


def test_shape_is_known_where_all_batches_are_full(x):
    assert data.from_arrays(x, batch_size=5, shuffle=False).element_spec.shape == (5, 1)
    assert data.from_arrays(x, batch_size=4).element_spec.shape == (4, 1)
    assert data.from_arrays(x, batch_size=4, shuffle=False).element_spec.shape == (None, 1)


def test_every_order_is_equally_likely():
    """The place of each of 3 examples, over 600 epochs of an endless dataset."""
    x = np.arange(3, dtype=np.float32)[:, None]
    dataset = data.from_arrays(x, batch_size=3, repeat=True).take(600)
    orders = [tuple(batch) for batch in numbers(dataset)]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert np.sum((counts - 100) ** 2 / 100) < 5 + 5 * np.sqrt(10)


def test_endless_evaluation_repeats_itself():
    x = np.full((8, 4), 0.5, np.float32)
    dataset = data.from_arrays(x, batch_size=8, shuffle=False, binarization="dynamic", repeat=True)
    one, two = dataset.take(2).as_numpy_iterator()
    assert np.array_equal(one, two)


def test_dataset_does_not_hold_the_arrays_beside_the_tensor():

    x = np.zeros((16, 4), np.float32)
    gone = weakref.ref(x)
    dataset = data.from_arrays(x, batch_size=4, repeat=True)
    del x
    gc.collect()
    assert gone() is None
    assert len(list(dataset.take(5))) == 5


def test_later_changes_of_the_array_do_not_show(x):
    dataset = data.from_arrays(x, batch_size=10, shuffle=False)
    x[:] = -1
    assert numbers(dataset) == [list(range(10))]


def test_sharding_policy(x):
    policy = data.from_arrays(x).options().experimental_distribute.auto_shard_policy
    assert policy == tf.data.experimental.AutoShardPolicy.DATA


REPLICAS = """
import itertools
import json

import numpy as np
import tensorflow as tf
from tfvae import data

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
x = np.arange(20, dtype=np.float32)[:, None] / 20


def batches(iterator):
    return [
        np.concatenate([part.numpy() for part in strategy.experimental_local_results(batch)])
        for batch in iterator
    ]


def check(make):
    # One iteration over a finite dataset, part of an endless one, and another iteration.
    for repeat in (False, True):
        keywords = {"batch_size": 4, "binarization": "dynamic", "repeat": repeat}
        plain = make(**keywords)
        with strategy.scope():  # a variable made here is mirrored
            mirrored = make(**keywords)
        shared = strategy.experimental_distribute_dataset(mirrored)
        for epoch in range(2):
            seen = batches(itertools.islice(shared, 4))
            expected = list(plain.take(4).as_numpy_iterator())
            assert all(np.array_equal(a, b) for a, b in zip(seen, expected, strict=True))
            assert [len(batch) for batch in seen] == [4, 4, 4, 4]


file = "FILE"
data.write_tfrecord(file, (x[:, :, None] * 255).astype(np.uint8))
check(lambda **keywords: data.from_arrays(x, **keywords))
check(lambda **keywords: data.load("tfrecord:" + file, "all", shuffle=True, **keywords))
print(json.dumps("passed"))
"""


@pytest.mark.exhaustive
def test_two_replicas_see_the_batches_of_one(tmp_path, run_python):
    program = REPLICAS.replace("FILE", str(tmp_path / "train.tfrecord"))
    assert run_python(program).result == "passed"
