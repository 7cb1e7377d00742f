"""The binary concrete: relaxed and straight-through."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.distributions import kl_divergence
from tfvae.errors import UserError
from tfvae.layers import RelaxedBernoulli

tfd = tfp.distributions
LOGITS = np.float32([[0.5, -1.0, 0.2], [2.0, 0.0, -2.0]])


def test_density_is_that_of_the_paper():
    # Maddison et al., equation 26: τ α x^{−τ−1} (1−x)^{−τ−1} / (α x^{−τ} + (1−x)^{−τ})².
    tau, x, alpha = 0.7, np.float64([[0.2, 0.3, 0.5], [0.9, 0.05, 0.6]]), np.exp(LOGITS)
    density = tau * alpha * (x * (1 - x)) ** (-tau - 1)
    density /= (alpha * x**-tau + (1 - x) ** -tau) ** 2
    found = RelaxedBernoulli(3, temperature=tau)(LOGITS).log_prob(np.float32(x))
    np.testing.assert_allclose(found, np.log(density).sum(-1), rtol=1e-5)


def test_draws_round_to_a_bernoulli_and_have_the_density():
    n, p = 20_000, scipy.special.expit(LOGITS)
    relaxed = RelaxedBernoulli(3, temperature=0.7)(LOGITS)
    for draws in (
        relaxed.sample(n, seed=(1, 2)).numpy().round(),
        RelaxedBernoulli(3, straight_through=True)(LOGITS).sample(n, seed=(1, 2)).numpy(),
    ):
        assert set(np.unique(draws.round(5))) == {0.0, 1.0}
        assert np.all(np.abs(draws.mean(0) - p) < 4.5 * np.sqrt(p * (1 - p) / n))
    y = scipy.special.logit(np.float64(relaxed.sample(2000, seed=(3, 4)))[:, 0, 0])
    assert scipy.stats.kstest(y, "logistic", (0.5 / 0.7, 1 / 0.7)).pvalue > 1e-3


def test_straight_through_gradient_is_the_relaxed_one():
    def gradient(straight_through):
        logits = tf.constant(LOGITS)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            layer = RelaxedBernoulli(3, temperature=0.6, straight_through=straight_through)
            value = tf.reduce_sum(layer(logits).sample(seed=[1, 2]) * [1.0, 2.0, -3.0])
        return tape.gradient(value, logits)

    assert np.abs(gradient(True)).max() > 0.01
    np.testing.assert_allclose(gradient(True), gradient(False), rtol=1e-4, atol=1e-6)


def test_straight_through_divergence_is_the_bernoulli_one():
    posterior = RelaxedBernoulli(3, straight_through=True)(LOGITS)
    prior = tfd.Independent(tfd.Bernoulli(tf.zeros(3), dtype=tf.float32), 1)
    p = scipy.special.expit(np.float64(LOGITS))
    expected = (p * np.log(2 * p) + (1 - p) * np.log(2 * (1 - p))).sum(-1)
    np.testing.assert_allclose(tfd.kl_divergence(posterior, prior), expected, rtol=1e-5)


def test_density_of_own_samples_is_finite_at_low_temperature():
    """Many of them are rounded to 0 or 1."""
    distribution = RelaxedBernoulli(3, temperature=0.02)(LOGITS * 5)
    draws = distribution.sample(2000, seed=3)
    assert np.mean((draws.numpy() == 0) | (draws.numpy() == 1)) > 0.5
    assert np.all(np.isfinite(distribution.log_prob(draws)))


@pytest.mark.parametrize("straight_through", [False, True])
def test_the_recipe_has_a_prior_that_fits(straight_through):
    def posterior(event_shape):
        return RelaxedBernoulli(event_shape, temperature=0.5, straight_through=straight_through)

    posterior.event_argument = "event_shape"
    vae = tfvae.recipes.vae((5,), 3, hidden=(4,), posterior=posterior)
    x = np.eye(5, dtype=np.float32)
    (latent,) = vae(x, samples=300, seed=0).latents
    rate = kl_divergence(latent).numpy()
    if straight_through:  # log 2 for each, less the entropy of q
        expected = 3 * np.log(2) - latent.posterior.entropy()
        np.testing.assert_allclose(rate, expected, rtol=1e-4)
        return
    # By quadrature in the space of the logistic.
    y = np.linspace(-80, 80, 40_001)[:, None, None]
    logistic = latent.posterior.distribution.distribution
    log_q = np.float64(logistic.log_prob(np.float32(y)))
    log_ratio = log_q + np.logaddexp(0, y) + np.logaddexp(0, -y)
    expected = (np.exp(log_q) * log_ratio).sum((0, 2)) * 160 / 40_000
    assert (np.abs(rate - expected) < 0.4).all()  # of 300 draws; the deviation is some 0.1


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(UserError, match="above 0"):
        RelaxedBernoulli(3, temperature=0.0)
