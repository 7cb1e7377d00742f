"""The Riemannian Hamiltonian VAE: metric and momentum by NumPy, the flow by autodiff."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import tfvae
from tfvae import latents, layers, networks
from tfvae.latents.riemannian_metric import RiemannianMetric, generalized_leapfrog
from tfvae.latents.tempered_flow import TemperedFlow

D, N = 2, 3


def metric_of(n=4, temperature=1.3, regularization=0.2):
    rng = np.random.default_rng(3)
    centroids = tf.constant(rng.normal(size=(n, D)))
    factors = tf.constant(np.tril(rng.normal(size=(n, D, D))))
    return RiemannianMetric(centroids, factors, temperature, regularization)


def inverse_metric(metric, z):
    """G⁻¹ at one z, term by term."""
    total = metric.regularization * np.eye(D)
    for c, factor in zip(metric.centroids.numpy(), metric.factors.numpy(), strict=True):
        total += factor @ factor.T * np.exp(-np.sum((z - c) ** 2) / metric.temperature**2)
    return total


@pytest.fixture
def refined():
    """A model with draws of p(x|z) that are not normal, and its latent variables of an x."""

    def make(structure, samples=None):
        vae = tfvae.VAE(
            networks.Encoder(networks.MLP([4], "tanh"), layers.MultivariateNormalTriL(D)),
            networks.Decoder(networks.MLP([8], "tanh"), layers.IndependentBernoulli((N,))),
            latents=structure,
        )
        x = (np.random.default_rng(1).random((5, N)) < 0.5).astype("float32")
        output = vae(x, seed=1, samples=samples)
        return output.latents[0], vae, x, output

    return make


def test_the_metric_is_the_sum_of_the_equation():
    metric, rng = metric_of(), np.random.default_rng(4)
    z, momentum = rng.normal(size=(6, 1, D)), rng.normal(size=(6, 1, D))
    place = metric.at(tf.constant(z))
    velocity = metric.velocity(place, tf.constant(momentum))
    density = metric.momentum(tf.constant(z), 0.3).log_prob(momentum)
    for i in range(6):
        inverse = inverse_metric(metric, z[i, 0])
        np.testing.assert_allclose(place.inverse[i, 0], inverse)
        np.testing.assert_allclose(velocity[i, 0], inverse @ momentum[i, 0])
        normal = scipy.stats.multivariate_normal(cov=np.linalg.inv(inverse) / 0.3)
        np.testing.assert_allclose(density[i, 0], normal.logpdf(momentum[i, 0]))


def test_draws_of_the_momentum_have_the_metric_as_their_covariance():
    metric, z = metric_of(), np.array([0.3, -0.5])
    draws = metric.momentum(tf.constant(np.tile(z, (40_000, 1))), 1.0).sample(seed=(0, 1)).numpy()
    wanted = np.linalg.inv(inverse_metric(metric, z))
    error = np.sqrt((wanted**2 + np.outer(np.diag(wanted), np.diag(wanted))) / len(draws))
    assert (np.abs(np.cov(draws.T) - wanted) < 4.5 * error).all()


def test_the_slopes_are_gradients():
    """Of the kinetic energy, and of the logarithm of the volume."""
    metric, rng = metric_of(), np.random.default_rng(5)
    z, momentum = tf.constant(rng.normal(size=(6, D))), tf.constant(rng.normal(size=(6, D)))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        place = metric.at(z)
        energy = 0.5 * tf.reduce_sum(momentum * metric.velocity(place, momentum))
        volume = 0.5 * tf.linalg.logdet(place.inverse)
    slopes = metric.energy_slope(place, momentum), metric.volume_slope(place)
    for slope, value in zip(slopes, (energy, volume), strict=True):
        np.testing.assert_allclose(slope, tape.gradient(value, z), atol=1e-12)


def flow_of(metric, iterations):
    """The flow of a density that is not normal, exp(−Σ z⁴/4 + z₁ z₂), in float64."""

    def force(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            log_density = z[..., 0] * z[..., 1] - 0.25 * tf.reduce_sum(z**4, axis=-1)
        return tape.gradient(log_density, z) + metric.volume_slope(metric.at(z))

    step_size = tf.constant([0.2, 0.3], tf.float64)
    step = generalized_leapfrog(metric, force, step_size, iterations)
    return TemperedFlow(step, force, tf.constant([0.9, 0.7], tf.float64), (D,))


def log_det_by_differences(flow, pair, h=1e-5):
    """log |det| of the flow's Jacobian at one pair, `[2, D]`, by central differences."""
    moves = h * np.eye(2 * D).reshape(-1, 2, D)
    moved = (flow.forward(pair + moves) - flow.forward(pair - moves)) / (2 * h)
    return np.linalg.slogdet(moved.numpy().reshape(2 * D, 2 * D))[1]


def test_the_flow_has_the_volume_and_the_inverse_that_its_density_counts_on():
    pairs = tf.constant(np.random.default_rng(6).normal(size=(3, 2, D)))
    errors = []
    for iterations in (3, 12):
        flow = flow_of(metric_of(), iterations)
        moved = flow.forward(pairs)
        assert np.abs(moved - pairs).max() > 0.1
        log_det = [log_det_by_differences(flow, pair) for pair in pairs]
        counted = flow.forward_log_det_jacobian(pairs)
        np.testing.assert_allclose(counted, np.full(3, 2 * np.log(0.9 * 0.7)), rtol=1e-10)
        back = flow.inverse(tf.constant(moved.numpy()))
        errors.append([np.abs(counted - log_det).max(), np.abs(back - pairs).max()])
    assert max(errors[0]) < 0.02
    assert max(errors[1]) < 1e-5


def test_with_a_flat_metric_it_is_the_hamiltonian_one(refined):
    """Of L = 0 and λ = 1, G is the identity everywhere."""
    arguments = {"steps": 2, "step_size": 0.2, "beta_zero": 0.4}
    flat = latents.Riemannian(centroids=2, regularization=1.0, iterations=1, **arguments)
    _, vae, x, _ = refined(flat)
    flat.raw_factors_of_metric.assign(tf.zeros_like(flat.raw_factors_of_metric))
    plain = tfvae.VAE(vae.encoder, vae.decoder, latents=latents.Hamiltonian(**arguments))
    a, b = (model(x, seed=3).latents[0] for model in (vae, plain))
    np.testing.assert_allclose(a.z, b.z, rtol=1e-5)
    np.testing.assert_allclose(a.posterior.log_prob(a.z), b.posterior.log_prob(b.z), rtol=1e-5)
    np.testing.assert_allclose(a.prior.log_prob(a.z), b.prior.log_prob(b.z), rtol=1e-5)


def test_the_weights_have_the_expectation_of_p(refined):
    """E[w] = p(x), which a plain importance-weighted estimate gives as well."""
    _, vae, x, output = refined(latents.Riemannian(step_size=0.1, centroids=3), samples=4000)
    weights = np.exp(np.float64(tfvae.distributions.log_importance_weights(x, output)))
    plain = tfvae.VAE(vae.encoder, vae.decoder)
    other = np.exp(
        np.float64(tfvae.distributions.log_importance_weights(x, plain(x, samples=4000, seed=2)))
    )
    error = np.sqrt((weights.var(axis=0) + other.var(axis=0)) / 4000)
    assert (np.abs(weights.mean(axis=0) - other.mean(axis=0)) < 4 * error).all()
    assert (np.log(weights).mean(axis=0) < np.log(weights.mean(axis=0))).all()  # a lower bound


def test_what_it_does_not_take_is_refused():
    with pytest.raises(tfvae.UserError, match="regularization takes a number above 0"):
        latents.Riemannian(regularization=0.0)
    vae = tfvae.VAE(
        networks.Encoder(networks.MLP([]), layers.IndependentNormal((2, 2))),
        networks.Decoder(networks.MLP([]), layers.IndependentBernoulli((N,))),
        latents=latents.Riemannian(),
    )
    with pytest.raises(tfvae.UserError, match="take Hamiltonian, or a posterior of vectors"):
        vae(np.ones([3, N], "float32"))
