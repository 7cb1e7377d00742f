"""A distribution that is also a tensor."""

import operator

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers import TensorDistribution, concrete

tfd = tfp.distributions


@pytest.fixture
def normal():
    return TensorDistribution(tfd.Normal([0.0, 1.0], 1.0), lambda d: d.sample())


def test_it_is_a_distribution_and_a_tensor(normal):
    assert isinstance(normal, tfd.Distribution)
    assert tf.is_tensor(normal)
    assert isinstance(concrete(normal), tfd.Normal)
    assert concrete(concrete(normal)) is concrete(normal)


def test_the_sample_stays_the_same(normal):
    first = tf.convert_to_tensor(normal)
    np.testing.assert_array_equal(first, np.asarray(normal))
    np.testing.assert_array_equal(first, normal.numpy())
    np.testing.assert_array_equal(first, normal + 0.0)
    np.testing.assert_array_equal(first[1], normal[1])


def test_the_sample_stays_the_same_inside_a_branch():
    @tf.function
    def pair(flag):
        normal = TensorDistribution(tfd.Normal(tf.zeros([3]), 1.0), lambda d: d.sample())
        outside = tf.convert_to_tensor(normal)
        inside = tf.cond(flag, lambda: tf.convert_to_tensor(normal), lambda: tf.zeros([3]))
        return outside, inside

    outside, inside = pair(tf.constant(True))
    np.testing.assert_array_equal(outside, inside)


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x * 2 + 1,
        lambda x: 2 - x / 3,
        lambda x: -(abs(x) ** 2.0),
        lambda x: tf.matmul(x[None], x[:, None]),
        lambda x: keras.ops.concatenate([x, x]),
        lambda x: keras.ops.add(x, x),
        lambda x: tf.stack(list(x)),
        lambda x: tf.cast(x > 0.5, tf.float32),
        lambda x: tf.fill([len(x)], float(x[0])),
    ],
)
def test_operations_are_those_of_the_value(normal, operation):
    np.testing.assert_array_equal(operation(normal), operation(tf.convert_to_tensor(normal)))


@pytest.mark.parametrize("operation", [operator.and_, operator.or_, operator.xor])
def test_logical_operations_are_those_of_the_value(operation):
    bits = TensorDistribution(tfd.Bernoulli(probs=[0.0, 1.0], dtype=tf.bool), lambda d: d.sample())
    value = np.array([False, True])
    np.testing.assert_array_equal(operation(bits, True), operation(value, True))
    np.testing.assert_array_equal(operation(False, bits), operation(False, value))
    np.testing.assert_array_equal(~bits, ~value)


def test_an_array_before_the_operator_gives_a_tensor():
    scalar = TensorDistribution(tfd.Normal(1.5, 1.0), lambda d: d.mean())
    for quotient in (np.array(3.0, "float32") / scalar, np.float32(3.0) / scalar):
        assert float(quotient) == 2.0
    loc = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(loc)
        twice = np.full([2], 2.0, "float32") * TensorDistribution(
            tfd.Normal(loc, 1.0), tfd.Normal.mean
        )
    assert float(tape.gradient(twice, loc)) == 4.0
    assert isinstance(np.asarray(scalar), np.ndarray)


def test_a_number_as_value_is_made_a_tensor_once():
    draws = TensorDistribution(tfd.Normal(1.25, 1.0), lambda d: 42.0)
    assert draws.shape == ()
    assert tf.convert_to_tensor(draws) is draws.value()


def test_a_value_that_is_no_tensor_is_refused():
    parts = tfd.JointDistributionSequential([tfd.Normal(0.0, 1.0), tfd.Normal([0.0, 1.0], 1.0)])
    joint = TensorDistribution(parts, lambda d: d.sample())
    assert [part.shape for part in joint.sample(3)] == [(3,), (3, 2)]
    with pytest.raises(UserError, match="is to be one tensor"):
        tf.convert_to_tensor(joint)


def test_operations_between_two_take_both_values(normal):
    np.testing.assert_array_equal(normal - normal, [0.0, 0.0])


def test_shape_and_type_are_those_of_the_value(normal):
    draws = TensorDistribution(concrete(normal), lambda d: d.sample(5))
    assert draws.shape == (5, 2)
    assert draws.get_shape() == (5, 2)
    assert draws.ndim == 2
    assert draws.dtype == tf.float32
    assert draws.batch_shape == (2,)


def test_methods_are_those_of_the_distribution(normal):
    np.testing.assert_allclose(normal.log_prob([0.0, 1.0]), -0.5 * np.log(2 * np.pi), rtol=1e-6)
    np.testing.assert_allclose(normal.mean(), [0.0, 1.0])


def test_divergences_look_through(normal):
    standard = tfd.Normal([0.0, 0.0], 1.0)
    for a, b in [(normal, standard), (concrete(normal), standard)]:
        np.testing.assert_allclose(tfd.kl_divergence(a, b), [0.0, 0.5])
        np.testing.assert_allclose(a.kl_divergence(b), [0.0, 0.5])
    np.testing.assert_allclose(tfd.kl_divergence(standard, normal), [0.0, 0.5])
    np.testing.assert_allclose(tfd.kl_divergence(normal, normal), [0.0, 0.0])
