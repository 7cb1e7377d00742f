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
from tfvae.layers.power_spherical import TurnedPowerSpherical
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
    np.testing.assert_allclose(TurnedPowerSpherical(mu, kappa).log_prob(x), expected, rtol=1e-4)


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


def directions(dim):
    """At the first axis, close to it, opposite to it, across, anywhere."""
    first, across = np.eye(dim)[0], np.append(0, unit(dim - 1, 3))
    close = first + np.outer([1e-3, 1e-6], across)
    return np.float32([first, *close, -first, -first + 1e-3 * across, across, unit(dim)])


@pytest.mark.parametrize("cls", [ReparameterizedVonMisesFisher, TurnedPowerSpherical])
@pytest.mark.parametrize("dim", [2, 3, 5, 10])
def test_gradient_to_every_direction_is_that_of_the_mean_and_bounded(cls, dim):
    """d E[v·x] / dμ = A(κ) (v − (v·μ) μ), issue 11.4: at e_1 it was 0, near it 21 to 37."""
    n, kappa = 4000, 2.0
    v = np.linspace(1, 2, dim, dtype="float32")
    mean = directions(dim)
    rows = tf.Variable(np.tile(mean, (n, 1, 1)))
    with tf.GradientTape() as tape:
        distribution = cls(tf.math.l2_normalize(rows, axis=-1), tf.fill(rows.shape[:2], kappa))
        x = distribution.sample(seed=(1, 2))
        total = tf.reduce_sum(x * v)
    np.testing.assert_allclose(np.linalg.norm(x, axis=-1), 1, atol=1e-6)
    single = tape.gradient(total, rows).numpy()
    length = np.linalg.norm(cls(mean[0], kappa).mean())
    mu = mean / np.linalg.norm(mean, axis=-1, keepdims=True)
    expected = length * (v - (mu @ v)[:, None] * mu)
    assert np.all(np.abs(single.mean(0) - expected) < 5 * single.std(0) / np.sqrt(n) + 1e-5)
    assert np.linalg.norm(single, axis=-1).max() < 1.01 * np.linalg.norm(v)
    # The draws have the moments of the distribution too.
    assert np.all(np.abs(x.numpy().mean(0) - length * mu) < 5 * x.numpy().std(0) / np.sqrt(n))


@pytest.mark.parametrize("dim", [3, 5])
@pytest.mark.parametrize("where", range(7))
def test_draws_have_the_moments_of_scipys(dim, where):
    n, mu = 4000, directions(dim)[where]
    mine = ReparameterizedVonMisesFisher(mu, 4.0).sample(n, seed=(1, 2)).numpy()
    exact = np.float64(mu) / np.linalg.norm(np.float64(mu))
    other = scipy.stats.vonmises_fisher(exact, 4.0).rvs(n, random_state=0)
    for power in (mine, other), (mine**2, other**2), (mine**3, other**3):
        a, b = power
        error = np.sqrt(a.var(0) / n + b.var(0) / n)
        assert np.all(np.abs(a.mean(0) - b.mean(0)) < 5 * error)


def test_gradient_of_power_spherical_draws_to_a_great_concentration_is_finite():
    kappa = tf.Variable(1e6)
    with tf.GradientTape() as tape:
        x = TurnedPowerSpherical([0.6, 0.8, 0.0], kappa).sample(500, seed=(1, 2))
        spread = tf.reduce_mean(tf.square(x[:, 2]))
    # (1 + cos θ)^κ is about 2^κ exp(−κ θ² / 4): E x_3² is 2 / κ.
    assert float(spread) == pytest.approx(2e-6, rel=0.2)
    assert float(tape.gradient(spread, kappa)) == pytest.approx(-2e-12, rel=0.2)


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
