import keras
import numpy as np
import scipy.stats
import tensorflow as tf

import tfvae
from tfvae import priors
from tfvae.priors import SecondStage
from tfvae.priors.temperature import tempered

SLOPE, BIAS, NOISE = np.array([2.0, 0.5]), np.array([1.0, -3.0]), 0.7


def raw(scale):
    return np.log(np.expm1(scale - 1e-3))


def linear(*, off=1.0, samples=3):
    """z = a u + b + noise: p(z) is normal, and so is p(u|z), which q is for off=1."""
    prior = SecondStage(hidden=(), samples=samples, event_shape=2)
    prior.build()
    prior.decoder.projection.set_weights([np.diag(SLOPE), BIAS])
    (scale,) = prior.decoder.head.weights
    scale.assign(np.full(scale.shape, raw(NOISE)))
    gain = SLOPE / (SLOPE**2 + NOISE**2)
    width = NOISE / np.sqrt(SLOPE**2 + NOISE**2) * off
    kernel = np.concatenate([np.diag(gain), np.zeros([2, 2])], axis=1)
    prior.encoder.projection.set_weights([kernel, np.concatenate([-gain * BIAS, raw(width)])])
    return prior


MARGINAL = scipy.stats.norm(BIAS, np.sqrt(SLOPE**2 + NOISE**2))


def test_density_is_the_exact_one_where_the_posterior_is():
    z = MARGINAL.rvs([4, 5, 2], random_state=0).astype(np.float32)
    truth = MARGINAL.logpdf(z).sum(-1)
    np.testing.assert_allclose(linear()().log_prob(z), truth, atol=1e-4)
    assert linear()().log_prob(z[0, 0]).shape == ()


def test_density_is_a_lower_bound_that_draws_close():
    z = MARGINAL.rvs([2000, 2], random_state=0).astype(np.float32)
    truth = MARGINAL.logpdf(z).sum(-1).mean()
    few, many = (float(tf.reduce_mean(linear(off=0.6, samples=k)().log_prob(z))) for k in (1, 64))
    assert few < truth - 0.2
    assert few + 0.1 < many < truth + 0.01
    score = float(tf.reduce_mean(linear(off=0.6).score(z, seed=1)))
    np.testing.assert_allclose(score, few, atol=0.1)  # both are the ELBO of one draw


def test_draws_are_of_the_marginal():
    draws = linear()().sample(5000, seed=(0, 1)).numpy()
    error = draws.std(0) / np.sqrt(5000)
    assert (np.abs(draws.mean(0) - BIAS) < 5 * error).all()
    assert (np.abs(draws.std(0) - MARGINAL.std()) < 5 * error).all()
    cold = tempered(linear()(), 0.0).sample(3, seed=(0, 1))
    np.testing.assert_allclose(cold, np.tile(BIAS, [3, 1]), atol=1e-5)


def test_noise_is_that_of_the_models_seed(make_vae, binary, tmp_path):
    vae = make_vae(prior=SecondStage(hidden=(4,), samples=2))
    a, b, c = (vae.elbo(binary[:5], seed=seed).numpy() for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    vae.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(tfvae.load(tmp_path / "m.keras").elbo(binary[:5], seed=1), a)


def test_fit_finds_two_clusters():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(1000, 2)) * 0.1 + rng.choice([-3.0, 3.0], size=(1000, 1))
    keras.utils.set_random_seed(0)
    prior = priors.Standardized(SecondStage(2, hidden=(32,)))
    prior.fit(z, steps=500, learning_rate=1e-2)
    normal = scipy.stats.multivariate_normal(z.mean(0), np.cov(z.T))
    reached = float(tf.reduce_mean(prior().log_prob(z.astype(np.float32))))
    assert reached > normal.logpdf(z).mean() + 0.3
