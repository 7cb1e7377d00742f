import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from tfvae import data
from tfvae.data.tables import dense, dense_rows, sparse_batches
from tfvae.errors import UserError

FORMATS = [scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, scipy.sparse.coo_array]


def counts(n=23, d=7, dtype=np.float32):
    values = np.random.default_rng(0).poisson(0.4, (n, d)).astype(dtype)
    values[3] = 0  # a row, and a column, of no stored value
    values[:, 2] = 0
    return values


@pytest.mark.parametrize("make", FORMATS)
@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.bool_])
def test_rows_of_a_sparse_matrix(make, dtype):
    x = counts(dtype=dtype)
    rows = tf.function(dense_rows(make(x)))
    for numbers in ([0], [3, 3, 22, 1], [], list(range(23))):
        found = rows(tf.constant(numbers, tf.int64))
        assert np.array_equal(found, x[numbers])


def test_values_that_are_stored_twice_are_summed():
    x = scipy.sparse.csr_matrix(([1.0, 2.0], [1, 1], [0, 2]), (1, 3))
    assert np.array_equal(dense_rows(x)(tf.constant([0])), [[0, 3, 0]])
    assert x.nnz == 2  # and what was given stays


def test_batches_are_those_of_the_array():
    x, y, w = counts(), np.arange(23), np.linspace(0, 1, 23, dtype=np.float32)
    batches = list(sparse_batches(scipy.sparse.csr_matrix(x), y, w, batch_size=5))
    for number, whole in enumerate((x, y, w)):
        assert np.array_equal(np.concatenate([batch[number] for batch in batches]), whole)
    shuffled = sparse_batches(scipy.sparse.csr_matrix(x), y, shuffle=True)
    for rows, numbers in shuffled:
        assert np.array_equal(rows, x[numbers])
        assert not np.array_equal(numbers, y)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_from_arrays_gives_the_same(dtype):
    x, y = counts(dtype=dtype), np.arange(23)
    sparse = scipy.sparse.coo_matrix(x)
    for keywords in ({"shuffle": False}, {"seed": 3}, {"binarization": "threshold"}):
        if keywords.get("binarization") and dtype == np.float32:
            continue
        pairs = [data.from_arrays(one, y, batch_size=5, **keywords) for one in (x, sparse)]
        assert pairs[0].element_spec == pairs[1].element_spec
        for (a, m), (b, n) in zip(*map(tf.data.Dataset.as_numpy_iterator, pairs), strict=True):
            assert np.array_equal(a, b)
            assert np.array_equal(m, n)
    with pytest.raises(UserError, match="values are not all in"):
        data.from_arrays(scipy.sparse.csr_matrix(x * -1.5), binarization="dynamic")


def test_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    assert np.array_equal(dense(frame), frame.to_numpy())
    assert dense(frame).dtype == np.float32
    assert np.array_equal(dense(frame["a"]), [1, 2, 3])
    assert dense(frame[["a"]]).dtype == np.int64
    (x,) = data.from_arrays(frame, shuffle=False)
    assert np.array_equal(x, frame.to_numpy())
    with pytest.raises(UserError, match=r"the column 'name' holds .* and no numbers: leave it out"):
        dense(frame.assign(name=["x", "y", "z"]))
    with pytest.raises(UserError, match="the column 'b' has 1 missing values"):
        data.from_arrays(frame.where(frame["b"] > 1)[["b"]])
    nullable = pandas.DataFrame({"a": pandas.array([1, 2, None], dtype="Int64")})
    with pytest.raises(UserError, match="the column 'a' has 1 missing values"):
        dense(nullable)
    assert np.array_equal(dense(nullable.dropna()), [[1], [2]])
