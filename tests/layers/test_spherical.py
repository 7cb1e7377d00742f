"""Distributions on the sphere: densities, samples, and the gradient to the concentration."""

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers import PowerSpherical, VonMisesFisher
from tfvae.layers.von_mises_fisher import ReparameterizedVonMisesFisher, _slope

tfd = tfp.distributions


def unit(dim, seed=0):
    direction = np.random.default_rng(seed).normal(size=dim)
    return (direction / np.linalg.norm(direction)).astype("float32")


@pytest.mark.parametrize("dim", [2, 3, 10, 50])
@pytest.mark.parametrize("kappa", [0.01, 1.0, 30.0, 1000.0])
def test_von_mises_fisher_density(dim, kappa):
    mu = unit(dim)
    x = np.stack([mu, -mu, unit(dim, 1)])
    expected = scipy.stats.vonmises_fisher(np.float64(mu) / np.linalg.norm(np.float64(mu)), kappa)
    x = np.float64(x) / np.linalg.norm(np.float64(x), axis=-1, keepdims=True)
    actual = ReparameterizedVonMisesFisher(mu, kappa).log_prob(np.float32(x))
    np.testing.assert_allclose(actual, expected.logpdf(x), rtol=1e-5, atol=2e-6 * kappa + 2e-4)


@pytest.mark.parametrize("dim", [2, 3, 10])
def test_power_spherical_density(dim):
    # C(κ) (1 + t)^κ with the normalizer by quadrature over the cosine t = μᵀx = cos θ.
    kappa, mu = 4.0, unit(dim)
    around = 2 * np.pi ** ((dim - 1) / 2) / scipy.special.gamma((dim - 1) / 2)
    total, _ = scipy.integrate.quad(
        lambda a: (1 + np.cos(a)) ** kappa * np.sin(a) ** (dim - 2), 0, np.pi
    )
    x = np.stack([mu, unit(dim, 1)])
    expected = kappa * np.log1p(x @ mu) - np.log(around * total)
    np.testing.assert_allclose(tfd.PowerSpherical(mu, kappa).log_prob(x), expected, rtol=1e-4)


def cosine_quantile(u, kappa, dim):
    """The cosine t below which the von Mises-Fisher distribution has the probability u."""

    def below(theta):
        density = lambda a: np.exp(kappa * (np.cos(a) - 1)) * np.sin(a) ** (dim - 2)  # noqa: E731
        upper = scipy.integrate.quad(density, 0, theta, epsabs=0, epsrel=1e-12, limit=200)[0]
        return 1 - upper / scipy.integrate.quad(density, 0, np.pi, epsabs=0, epsrel=1e-12)[0]

    return np.cos(scipy.optimize.brentq(lambda a: below(a) - u, 1e-9, np.pi - 1e-9, xtol=1e-14))


@pytest.mark.parametrize(("dim", "kappa"), [(2, 1.0), (3, 5.0), (5, 0.1), (10, 20.0), (50, 60.0)])
def test_slope_of_the_cosine_is_that_of_its_quantile(dim, kappa):
    for u in (0.1, 0.5, 0.95):
        step = 1e-4 * kappa
        ends = [cosine_quantile(u, kappa + sign * step, dim) for sign in (-1, 1)]
        expected = (ends[1] - ends[0]) / (2 * step)
        t = tf.constant([cosine_quantile(u, kappa, dim)], tf.float32)
        actual = _slope(t, tf.constant([kappa]), dim)
        np.testing.assert_allclose(actual, expected, rtol=2e-3)


@pytest.mark.parametrize("dim", [2, 3, 10])
def test_samples_lie_on_the_sphere_around_the_mean(dim):
    distribution = ReparameterizedVonMisesFisher(unit(dim), 3.0)
    n = 20000
    draws = distribution.sample(n, seed=1).numpy()
    np.testing.assert_allclose(np.linalg.norm(draws, axis=-1), 1, atol=1e-5)
    error = draws.std(0) / np.sqrt(n)
    assert np.all(np.abs(draws.mean(0) - distribution.mean()) < 4.5 * error)


@pytest.mark.parametrize("layer", [VonMisesFisher, PowerSpherical])
def test_gradient_of_samples_is_the_gradient_of_the_mean(layer):
    """d E[v·x] / dκ = v·μ A'(κ), by the draws' gradients and by the exact mean."""
    dim, n = 4, 20000
    v = tf.constant([1.0, -2.0, 0.5, 1.0])
    params = tf.Variable([0.7, 0.2, -0.3, 0.4, 1.5])
    distribution = layer.new(tf.ones([n, 1]) * params, dim)
    with tf.GradientTape(persistent=True) as tape:
        rows = tf.ones([n, 1]) * params
        tape.watch(rows)
        distribution = layer.new(rows, dim)
        drawn = tf.reduce_sum(distribution.sample(seed=2) * v)
        exact = tf.reduce_sum(layer.new(params, dim).mean() * v)
    single = tape.gradient(drawn, rows).numpy()
    error = single.std(0) / np.sqrt(n)
    assert np.all(np.abs(single.mean(0) - tape.gradient(exact, params)) < 4.5 * error + 1e-6)


@pytest.mark.parametrize("layer", [VonMisesFisher, PowerSpherical])
@pytest.mark.parametrize("dim", [3, 20])
def test_divergence_from_the_uniform_is_exact(layer, dim):
    params = tf.Variable(np.random.default_rng(0).normal(size=dim + 1).astype("float32"))
    uniform = tfd.SphericalUniform(dim)
    n = 20000
    with tf.GradientTape() as tape:
        distribution = layer.new(params, dim)
        exact = tfd.kl_divergence(distribution, uniform)
    x = distribution.sample(n, seed=3)
    ratio = (distribution.log_prob(x) - uniform.log_prob(x)).numpy()
    assert abs(ratio.mean() - exact) < 4.5 * ratio.std() / np.sqrt(n) + 1e-5
    assert np.all(np.isfinite(tape.gradient(exact, params)))


@pytest.mark.parametrize("layer", [VonMisesFisher, PowerSpherical])
def test_a_zero_direction_is_the_first_axis(layer):
    distribution = layer.new(tf.zeros([1, 4]), 3)
    np.testing.assert_array_equal(distribution.mean_direction, [[1, 0, 0]])
    assert np.all(np.isfinite(distribution.sample(10, seed=0)))
