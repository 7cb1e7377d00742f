"""The Hamiltonian VAE: its bound in closed form where model and posterior are normal and linear."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import latents, layers, networks, priors
from tfvae.objectives import IWAE

tfd = tfp.distributions
D, N, S = 2, 3, 0.7  # of z and of x; the scale of p(x|z)
RNG = np.random.default_rng(0)
W, X = RNG.normal(size=(N, D)), RNG.normal(size=N)
PRECISION = np.eye(D) + W.T @ W / S**2  # of p(z|x)
MEAN = np.linalg.solve(PRECISION, W.T @ X) / S**2
MARGINAL = W @ W.T + S**2 * np.eye(N)
LOG_P = -0.5 * (X @ np.linalg.solve(MARGINAL, X) + np.linalg.slogdet(2 * np.pi * MARGINAL)[1])


@pytest.fixture
def linear():
    """p(z) = N(0, I), p(x|z) = N(Wz, S²), and q(z|x) = N(0, I), which is far from p(z|x)."""

    def make(structure, objective=None):
        vae = tfvae.VAE(
            networks.Encoder(networks.MLP([]), layers.IndependentNormal(D)),
            networks.Decoder(networks.MLP([]), layers.IndependentNormal(N, scale=S)),
            objective=objective,
            latents=structure,
        )
        vae.build((None, N))
        vae.decoder.projection.set_weights([W.T, np.zeros(N)])
        vae.encoder.projection.set_weights(
            [np.zeros((N, 2 * D)), np.repeat([0, np.log(np.expm1(1 - 1e-3))], D)]
        )
        return vae

    return make


@pytest.fixture
def curved():
    """A model whose density is not normal, with a refined posterior for three examples."""

    def make(structure):
        vae = tfvae.VAE(
            networks.Encoder(networks.MLP([4], "tanh"), layers.MultivariateNormalTriL(D)),
            networks.Decoder(networks.MLP([8], "tanh"), layers.IndependentBernoulli((4,))),
            latents=structure,
        )
        x = (np.random.default_rng(1).random((3, 4)) < 0.5).astype("float32")
        return vae(x, seed=1).latents[0], vae, x

    return make


def gap(steps, step_size=0.1, beta_zero=0.5):
    """KL of the pair's distribution from its posterior, by the matrix of the flow, in nats."""
    eye, zero = np.eye(D), np.zeros((D, D))
    kick = np.block([[eye, zero], [-step_size / 2 * PRECISION, eye]])
    drift = np.block([[eye, step_size * eye], [zero, eye]])
    flow = np.eye(2 * D)
    roots = 1 / ((1 - beta_zero**-0.5) * np.arange(steps + 1) ** 2 / steps**2 + beta_zero**-0.5)
    for before, after in itertools.pairwise(roots):
        cool = np.block([[eye, zero], [zero, before / after * eye]])
        flow = cool @ kick @ drift @ kick @ flow
    mean = flow @ np.concatenate([-MEAN, np.zeros(D)])
    covariance = flow @ np.diag([1.0] * D + [1 / beta_zero] * D) @ flow.T
    precision = np.block([[PRECISION, zero], [zero, eye]])
    product = precision @ covariance
    log_det = np.linalg.slogdet(product)[1]
    return 0.5 * (np.trace(product) + mean @ precision @ mean - 2 * D - log_det)


def bounds(vae, samples=20_000):
    """The mean of the bound over draws, and its standard error."""
    x = tf.constant(X[None], tf.float32)
    values = tfvae.distributions.log_importance_weights(x, vae(x, samples=samples, seed=0))
    values = np.float64(values)[:, 0]
    return values.mean(), values.std() / np.sqrt(samples), values


@pytest.mark.parametrize("steps", [1, 5])
def test_the_bound_is_that_of_the_closed_form(linear, steps):
    vae = linear(latents.Hamiltonian(steps=steps, step_size=0.1, beta_zero=0.5))
    mean, error, values = bounds(vae)
    assert abs(mean - (LOG_P - gap(steps))) < 4 * error
    weights = np.exp(values - LOG_P)  # whose expectation is one: log_prob is of log p(x)
    assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(len(weights))


def test_the_bound_is_below_log_p_and_rises_with_the_steps(linear):
    """By the closed form, which the test above holds the structure against."""
    found = [gap(steps) for steps in (1, 2, 3, 5, 10)]
    assert found == sorted(found, reverse=True)
    assert found[-1] > 0
    assert found[-1] < 0.7 * gap(1)
    mean, error, _ = bounds(linear(latents.Hamiltonian(steps=10, step_size=0.1)))
    assert LOG_P - gap(1) + 4 * error < mean < LOG_P


def test_without_tempering_the_bound_stays_where_it_is(linear):
    start = 0.5 * (np.trace(PRECISION) + MEAN @ PRECISION @ MEAN - D)
    start -= 0.5 * np.linalg.slogdet(PRECISION)[1]
    vae = linear(latents.Hamiltonian(steps=5, step_size=0.02, tempering="none"))
    mean, error, _ = bounds(vae)
    assert abs(mean - (LOG_P - start)) < 4 * error + 0.01


@pytest.mark.parametrize("tempering", ["none", "fixed", "free"])
def test_the_factors_of_the_momentum_multiply_to_the_root_of_beta_zero(linear, tempering):
    structure = latents.Hamiltonian(steps=4, tempering=tempering, beta_zero=0.3)
    linear(structure)
    product = 1.0 if tempering == "none" else 0.3**0.5
    np.testing.assert_allclose(np.prod(structure.factors()), product, rtol=1e-5)
    assert (np.array(structure.factors()) <= 1).all()


@pytest.mark.parametrize("tempering", ["fixed", "free"])
def test_determinant_inverse_and_density_are_those_of_the_map(curved, tempering):
    structure = latents.Hamiltonian(steps=3, step_size=0.3, tempering=tempering)
    latent, _, _ = curved(structure)
    flow, base = latent.posterior.bijector, latent.posterior.distribution
    pair = base.sample(seed=(0, 1))
    with tf.GradientTape() as tape:
        tape.watch(pair)
        moved = flow.forward(pair)
    jacobian = tf.reshape(tape.batch_jacobian(moved, pair), [3, 2 * D, 2 * D])
    log_det = np.linalg.slogdet(np.float64(jacobian))[1]
    np.testing.assert_allclose(flow.forward_log_det_jacobian(pair), log_det, atol=1e-5)
    again = tf.constant(moved.numpy())  # a tensor of which no flow knows where it comes from
    np.testing.assert_allclose(flow.inverse(again), pair, atol=1e-5)
    density = base.log_prob(pair) - log_det
    for value in (moved, again):
        np.testing.assert_allclose(latent.posterior.log_prob(value), density, atol=1e-4)


def test_step_sizes_and_tempering_learn(linear):
    structure = latents.Hamiltonian(steps=2)
    vae = linear(structure, IWAE(samples=3, gradient="dreg"))
    vae.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    before = [w.numpy() for w in structure.trainable_weights]
    assert [w.shape for w in structure.trainable_weights] == [(D,), ()]
    vae.fit(np.repeat(X[None], 4, axis=0).astype("float32"), verbose=0)
    assert all((a != b.numpy()).all() for a, b in zip(before, structure.weights, strict=True))


def test_the_passes_of_the_decoder_leave_nothing_behind():
    """A Bayesian decoder adds its KL once, and has one draw of its weights in all steps."""
    trunk = layers.DenseReparameterization(4, activation="tanh")
    vae = tfvae.VAE(
        networks.Encoder(networks.MLP([]), layers.IndependentNormal(D)),
        networks.Decoder(trunk, layers.IndependentBernoulli((4,))),
        latents=latents.Hamiltonian(priors.MixtureOfNormals(2), steps=2),
    )
    latent = vae(np.ones([3, 4], "float32"), seed=1).latents[0]
    assert len(vae.losses) == len(trunk.losses) == 1
    at = latent.posterior.log_prob(latent.z)
    np.testing.assert_allclose(latent.posterior.log_prob(tf.identity(latent.z)), at, atol=1e-4)


def test_what_cannot_be_refined_is_refused(curved):
    with pytest.raises(tfvae.UserError, match=r"unknown tempering 'fix'.*did you mean 'fixed'"):
        latents.Hamiltonian(tempering="fix")
    with pytest.raises(tfvae.UserError, match=r"above 0 and below 1, got 1\.0"):
        latents.Hamiltonian(beta_zero=1.0)
    with pytest.raises(tfvae.UserError, match="step size above 0 and below max_step"):
        latents.Hamiltonian(step_size=0.5)
    for head, words in [
        (layers.PowerSpherical(D), "is on the unit sphere: take one on all real numbers"),
        (layers.OneHotCategorical(D), "take a reparameterized posterior"),
    ]:
        vae = tfvae.VAE(
            networks.Encoder(networks.MLP([]), head),
            networks.Decoder(networks.MLP([]), layers.IndependentBernoulli((4,))),
            latents=latents.Hamiltonian(),
        )
        with pytest.raises(tfvae.UserError, match=words):
            vae(np.ones([3, 4], "float32"))
