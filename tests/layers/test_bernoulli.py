"""The Bernoulli's own log-probability against SciPy, and its derivatives against tfp's."""

import numpy as np
import pytest
import scipy.stats as stats
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers.bernoulli import Bernoulli

tfd = tfp.distributions

SHAPES = [((3, 4), (3, 4)), ((4,), (3, 4)), ((2, 3, 4), (3, 4)), ((3, 1), (1, 4)), ((), (3,))]


def values(x_shape, logits_shape):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, x_shape).astype(np.float32)
    return tf.constant(x), tf.constant(3 * rng.standard_normal(logits_shape), tf.float32)


@pytest.mark.parametrize("shapes", SHAPES)
def test_log_prob_is_scipys(shapes):
    x, logits = values(*shapes)
    expected = stats.bernoulli.logpmf(x, 1 / (1 + np.exp(-logits.numpy().astype(float))))
    np.testing.assert_allclose(Bernoulli(logits).log_prob(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shapes", SHAPES)
def test_first_and_second_derivatives_are_tfps_where_x_and_logits_are_broadcast(shapes):
    x, logits = values(*shapes)

    def derivatives(kind):
        with tf.GradientTape() as second:
            second.watch([x, logits])
            with tf.GradientTape() as first:
                first.watch([x, logits])
                loss = tf.reduce_sum(kind(logits=logits).log_prob(x) ** 2)
            gradients = first.gradient(loss, [x, logits])
            size = tf.add_n([tf.reduce_sum(g**2) for g in gradients])
        return gradients + second.gradient(size, [x, logits])

    for ours, theirs in zip(derivatives(Bernoulli), derivatives(tfd.Bernoulli), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=1e-4)


def test_probabilities_instead_of_logits():
    np.testing.assert_allclose(Bernoulli(probs=0.3).log_prob([0, 1]), np.log([0.7, 0.3]), 1e-6)


def test_confident_logits_stay_finite():
    log_prob = Bernoulli(logits=[1e4, -1e4, 1e4]).log_prob([1.0, 0.0, 0.0])
    np.testing.assert_allclose(log_prob, [0.0, 0.0, -1e4])
