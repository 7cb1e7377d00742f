import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.batch_axes import Unfolded, fold

tfd = tfp.distributions


@pytest.fixture
def loc():
    return np.random.default_rng(0).normal(size=(5, 4, 3, 2)).astype(np.float32)


def plain(loc):
    return tfd.Independent(tfd.Normal(loc, 0.5), 2)


def unfolded(loc):
    return Unfolded(plain(loc.reshape(20, 3, 2)), tf.constant([5, 4]))


def test_fold():
    x = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(fold(tf.constant(x), 1), x.reshape(6, 4))
    np.testing.assert_array_equal(fold(tf.constant(x), 0), x.ravel())
    np.testing.assert_array_equal(fold(tf.constant(x), 3), x[None])
    np.testing.assert_array_equal(fold(tf.constant(x), 2), x)


def test_fold_keeps_the_static_event_of_a_dynamic_batch():
    shapes = []

    @tf.function(input_signature=[tf.TensorSpec([None, None, 4])])
    def function(x):
        shapes.append(fold(x, 1).shape)
        return fold(x, 1)

    assert function(tf.zeros([2, 3, 4])).shape == [6, 4]
    assert shapes[0].as_list() == [None, 4]


def test_shapes(loc):
    distribution = unfolded(loc)
    assert distribution.batch_shape == [5, 4]
    assert distribution.event_shape == [3, 2]
    np.testing.assert_array_equal(distribution.batch_shape_tensor(), [5, 4])
    np.testing.assert_array_equal(distribution.event_shape_tensor(), [3, 2])


@pytest.mark.parametrize("statistic", ["mean", "mode", "stddev", "variance", "entropy"])
def test_statistics_are_those_of_the_distribution(loc, statistic):
    got, truth = getattr(unfolded(loc), statistic)(), getattr(plain(loc), statistic)()
    np.testing.assert_array_equal(got, tf.broadcast_to(truth, got.shape))
    assert got.shape[:2] == [5, 4]


@pytest.mark.parametrize("shape", [(5, 4), (4,), (1, 4), (5, 1), (7, 5, 4), (2, 7, 5, 4), ()])
def test_log_prob_broadcasts_as_that_of_any_distribution(loc, shape):
    x = np.random.default_rng(1).normal(size=(*shape, 3, 2)).astype(np.float32)
    truth = plain(loc).log_prob(x)
    got = unfolded(loc).log_prob(x)
    assert got.shape == truth.shape
    np.testing.assert_allclose(got, truth, rtol=1e-6)


def test_a_wrong_batch_is_no_silent_broadcast(loc):
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        unfolded(loc).log_prob(np.zeros((3, 3, 2), np.float32))


@pytest.mark.parametrize("shape", [(), 6, (2, 3)])
def test_draws(loc, shape):
    draws = unfolded(loc).sample(shape, seed=(0, 1))
    lead = (shape,) if isinstance(shape, int) else shape
    assert draws.shape == [*lead, 5, 4, 3, 2]
    assert unfolded(loc).log_prob(draws).shape == [*lead, 5, 4]


def test_draws_come_from_their_own_element(loc):
    draws = unfolded(loc).sample(4000, seed=(0, 1)).numpy()
    assert np.abs(draws.mean(0) - loc).max() < 5 * 0.5 / np.sqrt(4000)


def test_a_dynamic_batch(loc):
    ranks = []

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3, 2]), tf.TensorSpec([None, 3, 2])])
    def function(loc, x):
        distribution = Unfolded(plain(fold(loc, 2)), tf.shape(loc)[:2])
        log_prob = distribution.log_prob(x)
        ranks.extend([log_prob.shape.rank, distribution.batch_shape.rank])
        return log_prob, distribution.mean()

    log_prob, mean = function(loc, loc[0])
    # The rank is known when tracing: objectives ask for it.
    assert ranks == [2, 2]
    np.testing.assert_allclose(log_prob, plain(loc).log_prob(loc[0]), rtol=1e-6)
    np.testing.assert_array_equal(mean, loc)


def test_compiled_by_xla(loc):
    @tf.function(jit_compile=True)
    def function(loc, x):
        return Unfolded(plain(fold(loc, 2)), tf.shape(loc)[:2]).log_prob(x)

    np.testing.assert_allclose(function(loc, loc[0]), plain(loc).log_prob(loc[0]), rtol=1e-5)


def test_gradients_pass(loc):
    loc = tf.constant(loc)
    x = loc[0] + 1.0
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(loc)
        got = Unfolded(plain(fold(loc, 2)), tf.constant([5, 4])).log_prob(x)
        truth = plain(loc).log_prob(x)
    np.testing.assert_allclose(tape.gradient(got, loc), tape.gradient(truth, loc), rtol=1e-5)
