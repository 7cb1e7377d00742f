"""Negative binomials, with and without lost counts, against SciPy."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.layers import IndependentNegativeBinomial, ZeroInflatedNegativeBinomial

MEAN = np.array([0.01, 1.0, 50.0, 3000.0])
DISPERSION = np.array([0.1, 1.0, 5.0, 300.0])
LOST = np.array([-3.0, 0.0, 1.0, 4.0])
COUNTS = np.array([[0, 0, 0, 0], [1, 2, 40, 2900], [7, 30, 300, 3500]], "float32")


def raw(positive, minimum=1e-3):
    return np.log(np.expm1(positive - minimum))


@pytest.fixture
def counts():
    params = np.concatenate([np.log(MEAN), raw(DISPERSION)]).astype("float32")
    return IndependentNegativeBinomial.new(params, 4).distribution


@pytest.fixture
def lossy():
    params = np.concatenate([np.log(MEAN), LOST, raw(DISPERSION)]).astype("float32")
    return ZeroInflatedNegativeBinomial.new(params, 4).distribution


@pytest.fixture
def reference():
    return scipy.stats.nbinom(DISPERSION, DISPERSION / (DISPERSION + MEAN))


def test_counts(counts, reference):
    np.testing.assert_allclose(
        counts.log_prob(COUNTS), reference.logpmf(COUNTS), rtol=2e-5, atol=1e-3
    )
    np.testing.assert_allclose(counts.mean(), MEAN, rtol=1e-5)
    np.testing.assert_allclose(counts.variance(), MEAN + MEAN**2 / DISPERSION, rtol=1e-4)


def test_lost_counts(lossy, reference):
    lost = scipy.special.expit(LOST)
    expected = (1 - lost) * reference.pmf(COUNTS) + lost * (COUNTS == 0)
    np.testing.assert_allclose(lossy.log_prob(COUNTS), np.log(expected), rtol=2e-5, atol=1e-3)
    np.testing.assert_allclose(lossy.mean(), (1 - lost) * MEAN, rtol=1e-5)
    second = (1 - lost) * (reference.var() + MEAN**2)
    np.testing.assert_allclose(lossy.variance(), second - ((1 - lost) * MEAN) ** 2, rtol=1e-4)
    cdf = lost + (1 - lost) * reference.cdf(COUNTS)
    np.testing.assert_allclose(lossy.cdf(COUNTS), cdf, rtol=1e-3)


def test_samples_of_lost_counts_have_the_moments(lossy):
    n = 20000
    draws = lossy.sample(n, seed=1).numpy()
    error = np.sqrt(lossy.variance() / n)
    assert np.all(np.abs(draws.mean(0) - lossy.mean()) < 4.5 * error)
    zero = lossy.prob(0.0).numpy()
    assert np.all(np.abs((draws == 0).mean(0) - zero) < 4.5 * np.sqrt(zero * (1 - zero) / n) + 1e-9)


def test_mode_has_the_greatest_probability(lossy):
    grid = lossy.prob(np.arange(4000, dtype="float32")[:, None])
    np.testing.assert_allclose(lossy.prob(lossy.mode()), np.max(grid, axis=0), rtol=1e-4)


@pytest.mark.parametrize("layer", [IndependentNegativeBinomial, ZeroInflatedNegativeBinomial])
def test_gradients_are_finite_at_the_ends(layer):
    size = layer.params_size(1)
    params = tf.constant([[sign * 30.0] * size for sign in (-1, 1)])
    with tf.GradientTape() as tape:
        tape.watch(params)
        log_prob = layer.new(params, 1).log_prob([[[0.0]], [[5.0]]])
    assert np.all(np.isfinite(log_prob))
    assert np.all(np.isfinite(tape.gradient(log_prob, params)))


def test_shared_dispersion_is_one_weight_for_each_element():
    layer = IndependentNegativeBinomial(3, dispersion="shared")
    assert layer.params_size == 3
    assert layer(tf.zeros([5, 3])).batch_shape == (5,)
    assert [tuple(w.shape) for w in layer.trainable_weights] == [(3,)]


def test_an_unknown_dispersion_is_refused():
    with pytest.raises(UserError, match="'learned' or 'shared'"):
        IndependentNegativeBinomial(3, dispersion="gene")
