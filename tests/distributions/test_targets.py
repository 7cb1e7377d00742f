"""Targets get the shape of the distribution, or are refused."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.targets import fitted_target, fitted_weights
from tfvae.errors import UserError

tfd = tfp.distributions


def normal(batch, event):
    one = tfd.Normal(tf.zeros([*batch, *event]), 1.0)
    return tfd.Independent(one, len(event))


@pytest.mark.parametrize(
    ("shape", "batch", "event", "expected"),
    [
        ((5,), (5,), (), (5,)),
        ((5,), (5, 1), (), (5, 1)),
        ((5,), (5,), (1,), (5, 1)),
        ((5, 1), (5,), (), (5,)),
        ((5, 3), (5,), (3,), (5, 3)),
        ((5, 3), (5,), (3, 1), (5, 3, 1)),
        ((5, 3, 1), (5,), (3,), (5, 3)),
        # One distribution for all examples.
        ((5,), (), (), (5,)),
        ((5, 3), (), (3,), (5, 3)),
        ((5,), (), (1,), (5, 1)),
        ((5, 3), (), (3, 1), (5, 3, 1)),
        # One joint event.
        ((5,), (), (5, 1), (5, 1)),
    ],
)
def test_an_axis_of_one_is_added_or_dropped(shape, batch, event, expected):
    y = np.arange(np.prod(shape), dtype="float64").reshape(shape)
    fitted = fitted_target(y, normal(batch, event))
    assert fitted.shape == expected
    assert fitted.dtype == tf.float32
    np.testing.assert_array_equal(np.ravel(fitted), np.ravel(y))


@pytest.mark.parametrize(
    ("shape", "batch", "event"),
    [
        ((5, 3), (5,), (1,)),
        ((1, 3), (5,), (3,)),
        ((5, 1), (5,), (3,)),
        ((5,), (5,), (3,)),
        ((3,), (5,), (3,)),
        ((5, 3), (3,), ()),
        ((5, 5), (5, 1), ()),
        ((4,), (5,), ()),
        ((1,), (5,), ()),
        ((5, 3), (), (4,)),
        ((2, 5, 3), (5,), (3,)),
    ],
)
def test_what_would_broadcast_is_refused(shape, batch, event):
    with pytest.raises(UserError, match="do not fit a distribution of batch shape"):
        fitted_target(np.zeros(shape), normal(batch, event))


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("rank", [1, None])
def test_sizes_that_a_trace_cannot_know_are_compared_when_it_runs(jit, rank):
    signature = [tf.TensorSpec(rank and [None]), tf.TensorSpec([None, 1])]

    @tf.function(input_signature=signature, jit_compile=jit)
    def log_prob(y, loc):
        p = tfd.Normal(loc, 1.0)
        return p.log_prob(fitted_target(y, p))

    assert log_prob(tf.zeros([3]), tf.zeros([3, 1])).shape == [3, 1]
    for y, loc in [(3, 1), (1, 3), (4, 2)]:
        with pytest.raises(tf.errors.InvalidArgumentError):
            log_prob(tf.zeros([y]), tf.zeros([loc, 1]))


def test_a_weight_of_an_example_is_one_of_all_its_values():
    for weights, values, expected in [
        ((5,), (5,), (5,)),
        ((5, 1), (5,), (5,)),
        ((5,), (5, 1), (5, 1)),
        ((5,), (5, 3), (5, 1)),
        ((5, 3), (5, 3), (5, 3)),
        ((), (5,), ()),
    ]:
        assert fitted_weights(np.ones(weights), tf.zeros(values)).shape == expected
    assert fitted_weights(None, tf.zeros([5])) is None
    for weights, values in [((3,), (5, 3)), ((1,), (5,)), ((5, 2), (5, 3)), ((5, 2), (5,))]:
        with pytest.raises(UserError, match="give one weight for each example"):
            fitted_weights(np.ones(weights), tf.zeros(values))
