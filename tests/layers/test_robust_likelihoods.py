"""Draws, moments and gradients of the likelihoods that tfp has none of, or has otherwise."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.supports import check_data
from tfvae.errors import UserError
from tfvae.layers import (
    IndependentBeta,
    IndependentOrdinal,
    IndependentStudent,
    Multinomial,
    OptimalScaleNormal,
)
from tfvae.layers.log_cosh import HyperbolicSecant


def test_the_hyperbolic_secant_is_that_of_scipy():
    p = HyperbolicSecant(tf.constant(0.5, tf.float64), 2.0)
    truth, x = scipy.stats.hypsecant(0.5, 2.0), np.array([-900.0, -3.0, 0.5, 0.6, 40.0])
    np.testing.assert_allclose(p.log_prob(x)[1:], truth.logpdf(x[1:]), rtol=1e-12)
    assert float(p.log_prob(x[0])) == pytest.approx(-900.5 / 2 - np.log(np.pi), rel=1e-12)
    np.testing.assert_allclose(p.cdf(x[1:]), truth.cdf(x[1:]), rtol=1e-12)
    assert (float(p.mean()), float(p.stddev())) == pytest.approx((0.5, truth.std()))


def test_draws_of_the_hyperbolic_secant():
    scale = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        x = HyperbolicSecant(tf.zeros([2]), scale).sample(5000, seed=(0, 1))
        spread = tf.reduce_mean(tf.abs(x))
    assert scipy.stats.kstest(x.numpy().ravel(), scipy.stats.hypsecant(0, 2).cdf).pvalue > 0.01
    assert float(tape.gradient(spread, scale)) == pytest.approx(float(spread) / 2, rel=1e-5)


def test_slopes_are_finite_everywhere():
    loc = tf.Variable([0.0, 1e30, -1e30])
    with tf.GradientTape() as tape:
        log_prob = HyperbolicSecant(loc, 1.0).log_prob(0.0)
    np.testing.assert_allclose(tape.gradient(log_prob, loc), [0.0, -1.0, 1.0])


def test_draws_of_the_multinomial_are_counts_of_its_total():
    probs = np.array([[0.1, 0.2, 0.7], [0.5, 0.4, 0.1]])
    p = Multinomial(3, total_count=6)(np.log(probs).astype("float32"))
    draws = p.sample(4000, seed=(0, 1)).numpy()
    assert (draws.sum(-1) == 6).all()
    error = np.sqrt(6 * probs * (1 - probs) / 4000)
    assert (np.abs(draws.mean(0) - 6 * probs) < 4.5 * error).all()
    covariance = np.cov(draws[:, 0].T)
    np.testing.assert_allclose(covariance, scipy.stats.multinomial(6, probs[0]).cov(), atol=0.1)


def test_cutpoints_are_learned_and_stay_in_order():
    layer = IndependentOrdinal(1, levels=3)
    loc = tf.constant([[0.0]])
    layer(loc)
    layer.raw_cutpoints.assign([-1.0, np.log(3.0)])
    sigma = 1 / (1 + np.exp(-np.array([-1.0, 2.0])))
    expected = np.log([sigma[0], sigma[1] - sigma[0], 1 - sigma[1]])
    log_p = [layer(loc).log_prob([[float(k)]]).numpy()[0] for k in range(3)]
    np.testing.assert_allclose(log_p, expected, rtol=1e-5)
    # Far out the masses of the levels between do not cancel to log 0.
    assert float(layer(loc + 50.0).log_prob([[1.0]])[0]) == pytest.approx(
        -48.0 + np.log1p(-np.exp(-3)), abs=1e-3
    )


def test_the_optimal_scale_maximises_the_likelihood_of_the_batch():
    rng = np.random.default_rng(0)
    loc, x = rng.normal(size=(2, 5, 4)).astype("float32")
    layer = OptimalScaleNormal(4, momentum=0.5)
    loc = tf.Variable(loc)
    with tf.GradientTape() as tape:
        log_prob = tf.reduce_sum(layer(tf.convert_to_tensor(loc), training=True).log_prob(x))
    error = np.mean((x - loc.numpy()) ** 2)
    assert float(log_prob) == pytest.approx(-10 * np.log(2 * np.pi * np.e * error), rel=1e-5)
    # The gradient is that of −N/2 log MSE, though the optimum is taken as a number.
    expected = 20 / 2 * 2 * (x - loc.numpy()) / 20 / error
    np.testing.assert_allclose(tape.gradient(log_prob, loc), expected, rtol=1e-4, atol=1e-5)
    # Without training, σ² is the moving mean of its logarithm, from 1: the root of the error here.
    p = layer(tf.convert_to_tensor(loc))
    np.testing.assert_allclose(p.stddev(), np.full((5, 4), error**0.25), rtol=1e-5)
    before = float(layer.log_variance)
    p.log_prob(x)
    layer(tf.fill([5, 4], np.nan), training=True).log_prob(x)
    assert float(layer.log_variance) == before
    assert not layer.trainable_weights


def test_two_replicas_have_one_optimal_scale(mirrored):
    x = np.arange(8, dtype="float32").reshape(4, 2)
    with mirrored.scope():
        layer = OptimalScaleNormal(2, momentum=0.0)
        layer.build((None, 2))

    @tf.function
    def run():
        def replica():
            part = 2 * tf.distribute.get_replica_context().replica_id_in_sync_group
            return layer(tf.zeros([2, 2]), training=True).log_prob(tf.constant(x)[part : part + 2])

        return mirrored.run(replica)

    log_prob = tf.concat(mirrored.experimental_local_results(run()), axis=0)
    scale = np.sqrt(np.mean(x**2))
    np.testing.assert_allclose(log_prob, scipy.stats.norm.logpdf(x, 0, scale).sum(-1), rtol=1e-5)
    for value in mirrored.experimental_local_results(layer.log_variance.value):
        assert float(value) == pytest.approx(2 * np.log(scale), rel=1e-5)


def test_data_outside_are_refused_with_what_to_do():
    beta = IndependentBeta(2)(tf.zeros([1, 4]))
    check_data(np.float32([[0.2, 0.9]]), beta)
    with pytest.raises(UserError, match=r"above 0 and below 1.*IndependentContinuousBernoulli"):
        check_data(np.float32([[0.2, 1.0]]), beta)
    multinomial = Multinomial(2, total_count=3)(tf.zeros([1, 2]))
    check_data(np.float32([[1, 2]]), multinomial)
    with pytest.raises(UserError, match="sum to 3"):
        check_data(np.float32([[1, 1]]), multinomial)


def test_the_mean_of_a_beta_is_that_of_tfp():
    p = IndependentBeta(1)(tf.constant([[0.3, -0.4]]))
    a, b = np.log1p(np.exp([0.3, -0.4])) + 1e-2
    assert float(p.mean()[0, 0]) == pytest.approx(a / (a + b), rel=1e-5)
    assert isinstance(p.distribution, tfp.distributions.Beta)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: IndependentStudent(2, df=1.0), "df takes a number above 1"),
        (lambda: IndependentBeta(2, min_concentration=0.0), "min_concentration takes"),
        (lambda: Multinomial(2, total_count=0), "total_count takes"),
        (lambda: Multinomial((2, 2)), "event_size takes"),
        (lambda: IndependentOrdinal(2, levels=1), "levels takes"),
        (lambda: OptimalScaleNormal(2, momentum=1.0), "momentum takes"),
    ],
)
def test_refusals(make, words):
    with pytest.raises(UserError, match=words):
        make()
