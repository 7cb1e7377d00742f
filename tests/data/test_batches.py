import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.data.batches import as_float, first_batch, unpack, with_context

X = np.arange(80, dtype=np.uint8).reshape(40, 2)
C = np.arange(40)
W = np.linspace(0, 1, 40)


class Sequence(keras.utils.PyDataset):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        return X[i * 4 : i * 4 + 4], C[i * 4 : i * 4 + 4]


@pytest.mark.parametrize("data", [X, (X,), (X, None), (X, np.zeros((40, 0)))])
def test_unpack_x_alone(data):
    x, context, weights = unpack(data)
    assert x.dtype == tf.float32
    np.testing.assert_array_equal(x, X)
    assert context is None
    assert weights is None


def test_unpack_context_and_weights():
    x, context, weights = unpack((X, C))
    np.testing.assert_array_equal(context, C)
    assert weights is None
    x, context, weights = unpack((X, C, W))
    assert x.shape == [40, 2]
    np.testing.assert_array_equal(context, C)
    np.testing.assert_allclose(weights, W)


def test_weights_in_a_column_do_not_broadcast():
    assert unpack((X, C, W[:, None]))[2].shape == [40]


def test_weights_without_a_context():
    context, weights = with_context(X, None, W)
    assert unpack((X, context, weights))[1] is None
    np.testing.assert_array_equal(unpack((X, context, weights))[2], W)
    assert with_context(X, None, None) == (None, None)
    context, weights = with_context(X, C, W)
    assert context is C
    assert weights is W


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "bfloat16", "float32"])
def test_every_type_becomes_float32(dtype):
    assert as_float(tf.ones([2], tf.as_dtype(dtype))).dtype == tf.float32


def test_float64_stays():
    assert as_float(np.ones(2)).dtype == tf.float64


def test_first_batch_of_arrays_and_tensors():
    x, context, weights = first_batch(X, C)
    assert x.shape == (32, 2)
    np.testing.assert_array_equal(context, C[:32])
    assert weights is None
    assert first_batch(tf.constant(X))[1] is None


def test_first_batch_of_a_dataset_does_not_use_it_up():
    dataset = tf.data.Dataset.from_tensor_slices((X, C)).batch(10)
    x, context = first_batch(dataset)
    np.testing.assert_array_equal(x, X[:10])
    np.testing.assert_array_equal(context, C[:10])
    assert len(list(dataset)) == 4


def test_first_batch_of_a_pydataset():
    np.testing.assert_array_equal(first_batch(Sequence(3))[0], X[:4])


def test_a_generator_is_not_touched():
    generator = ((X[i : i + 4],) for i in range(0, 40, 4))
    assert first_batch(generator) is None
    assert len(list(generator)) == 10


@pytest.mark.parametrize(
    "data",
    [
        X[:0],
        np.zeros((4, 0), np.float32),
        tf.data.Dataset.from_tensor_slices(X).batch(64, drop_remainder=True),
        tf.data.Dataset.from_tensor_slices(X).take(0),
        Sequence(0),
    ],
    ids=["array", "no pixels", "drop_remainder", "dataset", "sequence"],
)
def test_no_example_is_refused(data):
    with pytest.raises(tfvae.UserError, match=r"the data set is empty: give at least one example"):
        first_batch(data)
