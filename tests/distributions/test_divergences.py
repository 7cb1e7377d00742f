import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.distributions.divergences import (
    analytic_kl,
    kl_divergence,
    log_importance_weights,
    monte_carlo_kl,
)

tfd = tfp.distributions


def normal(loc, scale):
    return tfd.Independent(tfd.Normal(np.float32(loc), np.float32(scale)), 1)


@pytest.fixture
def diagonal():
    rng = np.random.default_rng(0)
    loc, scale = rng.normal(size=(4, 3)), np.exp(rng.normal(size=(4, 3)))
    return loc, scale, normal(loc, scale)


@pytest.fixture
def full():
    rng = np.random.default_rng(1)
    loc = rng.normal(size=(4, 3))
    lower = np.tril(rng.normal(size=(4, 3, 3)))
    lower[:, range(3), range(3)] = 0.3 + rng.random((4, 3))
    return (
        loc,
        lower @ lower.transpose(0, 2, 1),
        tfd.MultivariateNormalTriL(loc.astype(np.float32), lower.astype(np.float32)),
    )


def mixture():
    return tfd.MixtureSameFamily(
        tfd.Categorical(probs=[0.3, 0.7]), tfd.MultivariateNormalDiag([[-1.0] * 3, [2.0] * 3])
    )


def within(draws, truth, errors=4.0):
    """Whether the mean of the draws, `[K, ...]`, meets the truth within its standard error."""
    draws = np.asarray(draws, np.float64)
    standard_error = draws.std(0) / np.sqrt(len(draws))
    assert (standard_error > 0).all()
    assert (np.abs(draws.mean(0) - truth) < errors * standard_error).all()


def closed_form(loc, covariance):
    """KL(N(loc, covariance) ‖ N(0, I)) in float64."""
    trace = np.trace(covariance, axis1=-2, axis2=-1)
    return 0.5 * (trace + (loc**2).sum(-1) - loc.shape[-1] - np.linalg.slogdet(covariance)[1])


def test_kl_of_diagonal_normals_is_the_closed_form(diagonal):
    loc, scale, q = diagonal
    p = tfvae.priors.StandardNormal(3)()
    # The formula of the notes, with its sign and its square.
    truth = -0.5 * (1 + np.log(scale**2) - loc**2 - scale**2).sum(-1)
    np.testing.assert_allclose(analytic_kl(q, p), truth, rtol=1e-5)


def test_kl_between_two_diagonal_normals(diagonal):
    loc, scale, q = diagonal
    m, s = np.array([0.5, -1.0, 2.0]), np.array([0.3, 1.0, 3.0])
    truth = (np.log(s / scale) + (scale**2 + (loc - m) ** 2) / (2 * s**2) - 0.5).sum(-1)
    np.testing.assert_allclose(analytic_kl(q, normal(m, s)), truth, rtol=1e-5)


def test_kl_of_full_covariance_against_the_standard_normal_is_analytic(full):
    loc, covariance, q = full
    kl = analytic_kl(q, tfvae.priors.StandardNormal(3)())
    assert kl is not None
    np.testing.assert_allclose(kl, closed_form(loc, covariance), rtol=1e-4)


def test_kl_of_full_covariance_against_a_conditional_standard_normal(full):
    loc, covariance, q = full
    p = tfd.Independent(tfd.Normal(tf.zeros([4, 3]), 1.0), 1)  # one for each context
    np.testing.assert_allclose(analytic_kl(q, p), closed_form(loc, covariance), rtol=1e-4)


def test_kl_of_full_covariance_against_a_normal_with_one_scale(full):
    loc, covariance, q = full
    p = tfd.Independent(tfd.Normal([1.0, 2.0, 3.0], 2.0), 1)
    truth = closed_form((loc - [1, 2, 3]) / 2, covariance / 4)
    np.testing.assert_allclose(analytic_kl(q, p), truth, rtol=1e-4)


@pytest.mark.parametrize("family", ["diagonal", "full"])
def test_monte_carlo_agrees_with_the_closed_form(family, request):
    *_, q = request.getfixturevalue(family)
    p = tfvae.priors.StandardNormal(3)()
    latent = tfvae.Latent(q.sample(20_000, seed=(1, 2)), q, p)
    draws = monte_carlo_kl(latent)
    assert draws.shape == [20_000, 4]
    within(draws, np.asarray(analytic_kl(q, p)))
    np.testing.assert_allclose(kl_divergence(latent, "monte_carlo"), np.mean(draws, 0), rtol=1e-4)


def test_kl_is_zero_at_the_prior():
    q = normal(np.zeros((2, 3)), np.ones((2, 3)))
    p = tfvae.priors.StandardNormal(3)()
    np.testing.assert_array_equal(analytic_kl(q, p), np.zeros(2))
    np.testing.assert_array_equal(
        monte_carlo_kl(tfvae.Latent(q.sample(5, seed=(0, 0)), q, p)), np.zeros((5, 2))
    )


def test_a_mixture_prior_falls_to_monte_carlo(diagonal):
    *_, q = diagonal
    assert analytic_kl(q, mixture()) is None
    latent = tfvae.Latent(q.sample(seed=(0, 0)), q, mixture())
    truth = q.log_prob(latent.z) - mixture().log_prob(latent.z)
    np.testing.assert_array_equal(kl_divergence(latent), truth)


def test_monte_carlo_of_a_mixture_prior_meets_numerical_integration():
    q = tfd.Normal([0.5], 0.8)
    p = tfd.MixtureSameFamily(tfd.Categorical(probs=[0.3, 0.7]), tfd.Normal([-1.0, 2.0], 1.0))
    z = np.linspace(-9, 9, 20_001, dtype=np.float32)[:, None]
    difference = np.asarray(q.prob(z) * (q.log_prob(z) - p.log_prob(z)), np.float64)
    truth = np.trapezoid(difference[:, 0], z[:, 0].astype(np.float64))
    within(monte_carlo_kl(tfvae.Latent(q.sample(50_000, seed=(1, 1)), q, p)), truth)


def test_analytic_is_refused_where_there_is_no_closed_form(diagonal):
    *_, q = diagonal
    latent = tfvae.Latent(q.sample(seed=(0, 0)), q, mixture())
    with pytest.raises(tfvae.UserError, match=r"no closed form.*Mixture.*kl='monte_carlo'"):
        kl_divergence(latent, "analytic")


@pytest.mark.parametrize("method", ["auto", "analytic", "monte_carlo"])
def test_kl_has_one_number_per_example_with_or_without_samples(diagonal, method):
    *_, q = diagonal
    p = tfvae.priors.StandardNormal(3)()
    for shape in [(), (1,), (7,)]:
        latent = tfvae.Latent(q.sample(shape, seed=(0, 0)), q, p)
        assert kl_divergence(latent, method).shape == [4]


def test_analytic_kl_is_blind_to_the_draw_and_monte_carlo_is_not(diagonal):
    *_, q = diagonal
    p = tfvae.priors.StandardNormal(3)()
    a, b = (tfvae.Latent(q.sample(seed=(0, i)), q, p) for i in (0, 1))
    np.testing.assert_array_equal(kl_divergence(a), kl_divergence(b))
    assert np.abs(kl_divergence(a, "monte_carlo") - kl_divergence(b, "monte_carlo")).min() > 0


def test_the_distribution_of_a_layer_has_the_same_kl():
    layer = tfvae.layers.IndependentNormal(3)
    wrapped = layer(tf.random.stateless_normal([4, 6], (0, 0)))
    p = tfvae.priors.StandardNormal(3)()
    np.testing.assert_array_equal(
        analytic_kl(wrapped, p), analytic_kl(tfvae.layers.concrete(wrapped), p)
    )


def test_log_importance_weights_at_the_exact_posterior_are_log_p_of_x(linear_gaussian):
    truth = linear_gaussian()
    output = truth.vae(truth.x, samples=9, seed=1)
    weights = log_importance_weights(truth.x, output)
    assert weights.shape == [9, 16]
    np.testing.assert_allclose(weights, np.tile(truth.log_prob, (9, 1)), atol=2e-4)


def test_log_importance_weights_take_every_group_of_latents(diagonal):
    *_, q = diagonal
    p = tfvae.priors.StandardNormal(3)()
    latents = tuple(tfvae.Latent(q.sample(2, seed=(0, i)), q, p) for i in range(2))
    x = np.zeros((4, 3), np.float32)
    likelihood = normal(np.zeros((2, 4, 3)), 1.0)
    weights = log_importance_weights(x, tfvae.VAEOutput(latents, likelihood))
    truth = likelihood.log_prob(x)
    for latent in latents:
        truth += p.log_prob(latent.z) - q.log_prob(latent.z)
    np.testing.assert_allclose(weights, truth, rtol=1e-5)
