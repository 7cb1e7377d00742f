import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.plots import rate_per_dimension

tfd = tfp.distributions

LOC = np.array([[0.0, 1.0, -2.0], [0.5, 0.0, 3.0]], np.float32)
SCALE = np.array([[1.0, 0.5, 0.1], [2.0, 1.0, 0.3]], np.float32)


def closed_form(loc, scale, prior_loc=0.0, prior_scale=1.0):
    ratio = (scale / prior_scale) ** 2
    return 0.5 * (ratio + ((loc - prior_loc) / prior_scale) ** 2 - 1 - np.log(ratio))


def standard(d=3):
    return tfd.Independent(tfd.Normal(tf.zeros(d), 1.0), 1)


def test_factorized_normals_have_the_closed_form():
    q = tfd.Independent(tfd.Normal(LOC, SCALE), 1)
    p = tfd.Independent(tfd.Normal([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]), 1)
    rates = rate_per_dimension(q, p)
    expected = closed_form(LOC, SCALE, np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(tf.reduce_sum(rates, 1), tfd.kl_divergence(q, p), rtol=1e-5)


@pytest.mark.parametrize(
    "prior",
    [
        standard(),
        tfd.MultivariateNormalDiag(tf.zeros(3), tf.ones(3)),
        tfd.Sample(tfd.Normal(0.0, 1.0), [3]),
    ],
    ids=lambda d: d.name,
)
def test_every_form_of_the_standard_normal_is_analytic(prior):
    q = tfd.MultivariateNormalDiag(LOC, SCALE)
    expected = closed_form(LOC, SCALE)
    np.testing.assert_allclose(rate_per_dimension(q, prior), expected, rtol=1e-5, atol=1e-6)


def test_full_covariance_gives_the_kl_of_the_marginals():
    factor = np.array([[1.0, 0.0], [3.0, 4.0]], np.float32)
    q = tfd.MultivariateNormalTriL(LOC[:, :2], factor)
    expected = closed_form(LOC[:, :2], np.array([1.0, 5.0]))
    np.testing.assert_allclose(rate_per_dimension(q, standard(2)), expected, rtol=1e-5)


def test_axes_of_the_latent_are_flattened():
    loc = LOC.reshape([1, 2, 3, 1])
    q = tfd.Independent(tfd.Normal(loc, 0.5), 3)
    p = tfd.Independent(tfd.Normal(tf.zeros([2, 3, 1]), 1.0), 3)
    expected = closed_form(LOC.reshape([1, 6]), 0.5)
    np.testing.assert_allclose(rate_per_dimension(q, p), expected, rtol=1e-5)


def test_blocks_of_normals_are_taken_apart():
    q = tfd.Independent(tfd.MultivariateNormalDiag(LOC[None], SCALE[None]), 1)
    p = tfd.Independent(tfd.Normal(tf.zeros([2, 3]), 1.0), 2)
    expected = closed_form(LOC, SCALE).reshape([1, 6])
    np.testing.assert_allclose(rate_per_dimension(q, p), expected, rtol=1e-5, atol=1e-6)


def test_unregistered_pairs_are_estimated():
    # KL(N(μ, s) ‖ Laplace(0, 1)) = log 2 + E|z| − ½ log(2πe s²), E|z| from the folded normal.
    from scipy import stats

    q = tfd.Independent(tfd.Normal(LOC, SCALE), 1)
    p = tfd.Independent(tfd.Laplace(tf.zeros(3), 1.0), 1)
    folded = stats.foldnorm.mean(np.abs(LOC / SCALE), scale=SCALE)
    expected = np.log(2) + folded - stats.norm.entropy(LOC, SCALE)
    np.testing.assert_allclose(rate_per_dimension(q, p, samples=20000), expected, atol=0.03)


@pytest.mark.parametrize("batched", [False, True])
def test_a_mixture_prior_has_exact_marginals(batched):
    # In the first dimension the components agree, in the second they are ±3 apart: the marginal
    # is known there too, and quadrature gives the truth.
    loc = np.array([[1.0, -3.0], [1.0, 3.0]], np.float32)
    weights = np.array([0.25, 0.75], np.float32)
    if batched:
        loc, weights = np.stack([loc, loc]), np.stack([weights, weights])
    p = tfd.MixtureSameFamily(
        tfd.Categorical(probs=weights), tfd.Independent(tfd.Normal(loc, 1.0), 1)
    )
    q = tfd.Independent(tfd.Normal(LOC[:, :2], SCALE[:, :2]), 1)
    grid = np.linspace(-25, 25, 20001)[:, None]

    def density(x, m, s):
        return np.exp(-(((x - m) / s) ** 2) / 2) / (s * np.sqrt(2 * np.pi))

    q1 = density(grid, LOC[:, 1], SCALE[:, 1])
    p1 = 0.25 * density(grid, -3, 1) + 0.75 * density(grid, 3, 1)
    second = np.sum(q1 * (np.log(np.maximum(q1, 1e-300)) - np.log(p1)), 0) * 0.0025
    expected = np.stack([closed_form(LOC[:, 0], SCALE[:, 0], 1.0), second], 1)
    np.testing.assert_allclose(rate_per_dimension(q, p, samples=20000), expected, atol=0.06)


def test_a_mixture_posterior_is_sampled_from_itself():
    p = standard(1)
    q = tfd.MixtureSameFamily(
        tfd.Categorical(probs=[[0.5, 0.5]] * 2),
        tfd.Independent(tfd.Normal(tf.constant([[[-5.0], [5.0]]] * 2), 1.0), 1),
    )
    # Two parts far apart: half the mass each, so log ½ from the mixture and 25/2 from the shift.
    np.testing.assert_allclose(
        rate_per_dimension(q, p, samples=20000), np.full([2, 1], 12.5 - np.log(2)), atol=0.15
    )


def test_a_flow_is_matched_by_its_moments():
    # A flow without moments or marginals that is normal after all.
    flow = tfp.bijectors.ScaleMatvecTriL(tf.constant([[2.0, 0.0], [0.0, 0.5]]))
    base = tfd.Independent(tfd.Normal(LOC[:, :2], 1.0), 1)
    q = tfd.TransformedDistribution(base, tfp.bijectors.Chain([flow, tfp.bijectors.Identity()]))
    expected = closed_form(LOC[:, :2] * [2.0, 0.5], np.array([2.0, 0.5]))
    np.testing.assert_allclose(rate_per_dimension(q, standard(2)), expected, rtol=0.1, atol=0.1)


def test_discrete_factors_have_one_rate_each():
    probs = np.array([[[0.5, 0.5], [0.9, 0.1]]], np.float32)
    q = tfd.Independent(tfd.OneHotCategorical(probs=probs), 1)
    p = tfd.Independent(tfd.OneHotCategorical(probs=np.full([2, 2], 0.5)), 1)
    expected = [[0.0, np.log(2) + 0.9 * np.log(0.9) + 0.1 * np.log(0.1)]]
    np.testing.assert_allclose(rate_per_dimension(q, p), expected, atol=1e-6)


def test_the_estimate_is_the_same_each_time():
    q = tfd.Independent(tfd.Normal(LOC, SCALE), 1)
    p = tfd.Independent(tfd.Laplace(tf.zeros(3), 1.0), 1)
    first, second, other = (rate_per_dimension(q, p, seed=s).numpy() for s in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 0
