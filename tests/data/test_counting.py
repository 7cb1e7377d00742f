import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.data.counting import number_of_examples

X = np.zeros((103, 3, 2, 1), np.float32)


def slices(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else X)


CASES = {
    "a last batch that is not full": (lambda: slices().batch(50), 103),
    "one that is left out": (lambda: slices().batch(50, drop_remainder=True), 103),
    "repeated batches": (lambda: slices().batch(50).repeat(3), 103),
    "repeated examples": (lambda: slices().repeat(3).shuffle(9).batch(50).prefetch(1), 103),
    "repeated, then mapped": (
        lambda: slices().map(lambda x: x[..., 0]).repeat(3).batch(50).map(lambda x: x[..., None]),
        103,
    ),
    "without end": (lambda: slices().shuffle(9).repeat().batch(50), 103),
    "batches without end": (lambda: slices().batch(50).repeat(), 103),
    "a part of the examples": (lambda: slices().skip(80).batch(50).repeat(2), 23),
    "a part of more": (lambda: slices().repeat(3).take(150).batch(50), 103),
    "some batches": (lambda: slices().batch(50).take(2), 100),
    "the last batches": (lambda: slices().batch(50).skip(1), 53),
    "some of batches without end": (lambda: slices().repeat().batch(20).take(3), 60),
    "with contexts and weights": (lambda: slices(X, X[:, 0], X[:, 0, 0, 0]).batch(50), 103),
    "zipped": (
        lambda: tf.data.Dataset.zip(slices().repeat(2), tf.data.Dataset.range(206)).batch(9),
        103,
    ),
    "one whole batch, repeated": (lambda: tf.data.Dataset.from_tensors(X).repeat(3), 103),
    "tensors of batches": (
        lambda: tf.data.Dataset.from_tensor_slices(X[:100].reshape(5, 20, 6)),
        100,
    ),
    "one after the other": (lambda: slices().concatenate(slices()).batch(50), 206),
    "batches of two lengths": (
        lambda: tf.data.Dataset.from_tensors(X).concatenate(tf.data.Dataset.from_tensors(X[:7])),
        110,
    ),
    "examples of several rows": (
        lambda: tf.data.Dataset.range(80).batch(8, drop_remainder=True).batch(4),
        10,
    ),
    "a generator of known length": (
        lambda: (
            tf.data.Dataset.from_generator(
                lambda: iter(X), output_signature=tf.TensorSpec((3, 2, 1))
            )
            .apply(tf.data.experimental.assert_cardinality(103))
            .batch(50)
        ),
        103,
    ),
    "filtered": (lambda: slices().filter(lambda x: True).batch(50), None),
    "filtered batches": (lambda: slices().batch(50).filter(lambda x: True), None),
    "flattened": (lambda: slices().batch(50).unbatch().batch(20), None),
}


@pytest.mark.parametrize("case", CASES)
def test_of_a_data_set(case):
    make, examples = CASES[case]
    assert number_of_examples(make()) == examples


@pytest.mark.parametrize(
    ("options", "change", "examples"),
    [
        ({}, lambda d: d, 103),
        ({"shuffle": False}, lambda d: d, 103),
        ({"repeat": True}, lambda d: d, 103),
        ({"repeat": True, "start_step": 1}, lambda d: d.prefetch(2), 103),
        ({}, lambda d: d.repeat(3).map(lambda x: 1 - x), 103),
        ({}, lambda d: d.take(1), 50),
        ({"repeat": True}, lambda d: d.take(1), 50),
        ({"repeat": True}, lambda d: d.take(10), 103),
        ({}, lambda d: d.filter(lambda x: True), None),
    ],
)
def test_of_the_packages_own(options, change, examples):
    data = tfvae.data.from_arrays(X, batch_size=50, **options)
    assert number_of_examples(change(data)) == examples
    assert number_of_examples(data) == 103


def test_a_workers_share_is_of_the_whole_data_set():
    whole = tfvae.data.load("digits", "train[:103]", 50)
    share = tfvae.data.load("digits", "train[:103]", 50, shard=(1, 2))
    assert number_of_examples(whole) == number_of_examples(share) == 103


def test_counting_begins_no_epoch():
    data, same = (tfvae.data.from_arrays(np.arange(40.0)[:, None], batch_size=10) for _ in "ab")
    number_of_examples(data)
    number_of_examples(data.take(1))
    for a, b in zip(data, same, strict=True):
        np.testing.assert_array_equal(a, b)


def test_batches_that_have_to_be_read_are_read_once():
    reads = []

    def batches():
        reads.append(1)
        yield from (X[:50], X[:50], X[:3])

    data = tf.data.Dataset.from_generator(
        batches, output_signature=tf.TensorSpec((None, 3, 2, 1))
    ).apply(tf.data.experimental.assert_cardinality(3))
    assert number_of_examples(data) == number_of_examples(data) == 103
    assert len(reads) == 1


@pytest.mark.parametrize(("split", "examples"), [(0.0, 103), (0.2, 82), (0.5, 51)])
def test_of_an_array(split, examples):
    assert number_of_examples(X, validation_split=split) == examples
    assert number_of_examples(tf.constant(X), validation_split=split) == examples


def test_of_a_sequence_and_of_a_generator():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return X[50 * i : 50 * i + 50]

    assert number_of_examples(Batches()) == 103
    assert number_of_examples(iter([X])) is None
