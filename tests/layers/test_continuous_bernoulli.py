"""The continuous Bernoulli around λ = 0 and far from it, against closed forms in float64."""

import numpy as np
import pytest
import scipy.integrate
import tensorflow as tf

from tfvae.layers.continuous_bernoulli import ContinuousBernoulli

LOGITS = [-300.0, -40.0, -3.0, -0.5, -0.03, -1e-3, -1e-6, 0.0]
LOGITS = np.array([*LOGITS, *(-v for v in LOGITS[:-1])], "float32")


def log_density(logits, x):
    """log of λ e^{λx} / (e^λ − 1), by its series around 0."""
    logits = np.float64(logits)
    if abs(logits) < 1e-2:
        return logits * (x - 0.5) - logits**2 / 24 + logits**4 / 2880
    size = abs(logits)
    return logits * x + np.log(size) - max(logits, 0) - np.log1p(-np.exp(-size))


@pytest.mark.parametrize("x", [0.0, 0.3, 1.0])
def test_density(x):
    expected = [log_density(value, np.float32(x)) for value in LOGITS]
    actual = ContinuousBernoulli(LOGITS).log_prob(x)
    np.testing.assert_allclose(actual, expected, rtol=3e-7, atol=1e-6)


@pytest.mark.parametrize("logits", [-30.0, -0.05, 0.0, 0.03, 4.0])
def test_density_integrates_to_one(logits):
    total, _ = scipy.integrate.quad(
        lambda x: float(ContinuousBernoulli(logits).prob(np.float32(x))), 0, 1
    )
    assert total == pytest.approx(1.0, abs=1e-5)


def test_density_is_zero_outside():
    assert np.all(np.isneginf(ContinuousBernoulli([0.0, 2.0]).log_prob([-0.1, 1.1])))


def derivatives(function, logits):
    logits = tf.constant(logits)
    with tf.GradientTape() as second:
        second.watch(logits)
        with tf.GradientTape() as first:
            first.watch(logits)
            value = function(logits)
        slope = first.gradient(value, logits)
    return slope, second.gradient(slope, logits)


def test_derivatives_are_the_moments():
    # ∂ log p / ∂λ = x − mean, ∂² log p / ∂λ² = −variance: also at λ = 0, where it is −1/12.
    slope, curvature = derivatives(lambda v: ContinuousBernoulli(v).log_prob(0.3), LOGITS)
    reference = ContinuousBernoulli(LOGITS)
    np.testing.assert_allclose(slope, 0.3 - reference.mean(), atol=1e-6)
    near = np.abs(LOGITS) < 50
    np.testing.assert_allclose(curvature[near], -reference.variance()[near], rtol=2e-3)
    zero = np.flatnonzero(LOGITS == 0)
    np.testing.assert_allclose(tf.gather(curvature, zero), -1 / 12, rtol=1e-6)


def test_variance():
    def exact(logits):
        h = np.float64(logits) / 2
        if abs(h) < 1e-2:
            return 1 / 12 - h**2 / 60
        return (1 / h**2 - 1 / np.sinh(h) ** 2) / 4

    np.testing.assert_allclose(
        ContinuousBernoulli(LOGITS).variance(), [exact(v) for v in LOGITS], rtol=2e-5
    )


def test_gradients_of_the_variance_are_finite():
    slope, _ = derivatives(lambda v: ContinuousBernoulli(v).variance(), LOGITS)
    assert np.all(np.isfinite(slope))


def test_samples_have_the_moments():
    n = 20000
    distribution = ContinuousBernoulli(LOGITS)
    draws = distribution.sample(n, seed=1).numpy()
    assert draws.min() >= 0
    assert draws.max() <= 1
    error = np.sqrt(distribution.variance() / n)
    assert np.all(np.abs(draws.mean(0) - distribution.mean()) < 4.5 * error)


def test_gradients_of_samples_are_those_of_the_quantile():
    # At λ → 0 the quantile is u + λ u(1 − u)/2, so its slope is u(1 − u)/2 and never zero.
    logits = tf.constant([-1e-4, 0.0, 1e-6, 1e-2])
    u = tf.constant(0.3)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        x = ContinuousBernoulli(logits).quantile(u)
    np.testing.assert_allclose(tape.gradient(x, logits), 0.3 * 0.7 / 2, rtol=0.01)


@pytest.mark.parametrize("logits", [-8.0, -0.019, -0.021, 0.019, 0.021, 8.0])
def test_quantile_inverts_the_distribution_function(logits):
    u = np.linspace(0.01, 0.99, 9, dtype="float32")
    x = np.float64(ContinuousBernoulli(logits).quantile(u))
    np.testing.assert_allclose(np.expm1(logits * x) / np.expm1(logits), u, rtol=1e-5)
