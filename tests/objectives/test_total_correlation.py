import itertools

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.objectives.total_correlation import (
    log_aggregate_posterior,
    log_mixture,
    stratified_log_weights,
    total_correlation,
)

tfd = tfp.distributions


def normal(loc, scale):
    return tfd.Independent(tfd.Normal(np.float32(loc), np.float32(scale)), 1)


# The weights.


def published(batch, examples, last):
    """Chen et al., Eq. S8, one row: place 0 is n*, `last` that of n_M; M = batch − 1."""
    m = batch - 1
    weights = np.full(batch, 1 / m)
    weights[0] = 1 / examples
    weights[last] = (examples - m) / (examples * m)
    return weights


@pytest.mark.parametrize(("batch", "examples"), [(2, 2), (2, 9), (5, 5), (5, 6), (5, 1000)])
def test_weights_are_the_published_ones_in_the_mean_over_the_last_place(batch, examples):
    weights = np.exp(stratified_log_weights(batch, examples).numpy())
    mean = np.mean([published(batch, examples, last) for last in range(1, batch)], axis=0)
    for i in range(batch):
        np.testing.assert_allclose(np.roll(weights[i], -i), mean, rtol=1e-5)
    np.testing.assert_allclose(weights.sum(1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(np.diag(weights), 1 / examples, rtol=1e-5)


def test_a_batch_that_is_the_data_set_weighs_alike():
    np.testing.assert_allclose(np.exp(stratified_log_weights(7, 7)), 1 / 7, rtol=1e-5)
    # A data set that is said to be smaller than the batch counts as the batch.
    np.testing.assert_allclose(np.exp(stratified_log_weights(7, 3)), 1 / 7, rtol=1e-5)


def test_some_columns():
    whole = stratified_log_weights(6, 50)
    np.testing.assert_array_equal(
        stratified_log_weights(6, 50, tf.constant([4, 1])), whole.numpy()[:, [4, 1]]
    )


def test_the_estimate_of_the_density_has_no_bias():
    """In the mean over all batches that hold example 0, q(z) at its draw is the exact mixture."""
    rng = np.random.default_rng(0)
    loc, scale, z = rng.normal(size=(6, 2)), rng.uniform(0.3, 1, (6, 2)), rng.normal(size=2)
    density = scipy.stats.norm.pdf(z, loc, scale)  # [6, 2]
    truth = np.array([density.prod(1).mean(), *density.mean(0)])
    found = []
    for others in itertools.combinations(range(1, 6), 2):
        batch = [0, *others]
        draws = rng.normal(size=(3, 2))
        draws[0] = z
        log_weights = stratified_log_weights(3, 6)
        parts = log_mixture(np.float32(draws), normal(loc[batch], scale[batch]), log_weights)
        found.append(np.exp(parts.numpy()[0]))
    assert np.std(found, axis=0).min() > 0.01
    np.testing.assert_allclose(np.mean(found, axis=0), truth, rtol=1e-5)


# The estimate.


@pytest.mark.parametrize("examples", [None, 4, 1000])
def test_against_a_brute_force(examples):
    rng = np.random.default_rng(1)
    loc, scale, z = rng.normal(size=(4, 3)), rng.uniform(0.2, 1, (4, 3)), rng.normal(size=(4, 3))
    n = examples or 4
    joint, marginals = [], []
    for i in range(4):
        weights = [1 / n if j == i else (n - 1) / (n * 3) for j in range(4)]
        densities = [scipy.stats.norm.pdf(z[i], loc[j], scale[j]) for j in range(4)]
        joint.append(np.log(sum(w * d.prod() for w, d in zip(weights, densities, strict=True))))
        marginals.append(np.log(sum(w * d for w, d in zip(weights, densities, strict=True))).sum())
    found = log_aggregate_posterior(np.float32(z), normal(loc, scale), examples)
    np.testing.assert_allclose(found[0], joint, rtol=1e-4)
    np.testing.assert_allclose(found[1], marginals, rtol=1e-4)
    np.testing.assert_allclose(
        total_correlation(np.float32(z), normal(loc, scale), examples),
        np.subtract(joint, marginals),
        rtol=1e-3,
        atol=1e-5,
    )


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_against_a_gaussian_with_known_covariance(correlation):
    """The aggregate of N(x_n, s²I) with x ~ N(0, Σ − s²I) is N(0, Σ): TC = −½ log det R."""
    covariance = np.array([[1.0, correlation], [correlation, 1.0]])
    variance = 0.09
    rng = np.random.default_rng(2)
    loc = rng.multivariate_normal(np.zeros(2), covariance - variance * np.eye(2), 3000)
    z = loc + np.sqrt(variance) * rng.normal(size=loc.shape)
    truth = -0.5 * np.log(np.linalg.det(covariance))
    q = normal(loc, np.full_like(loc, np.sqrt(variance)))
    draws = total_correlation(np.float32(z), q).numpy().astype(np.float64)
    error = draws.std() / np.sqrt(len(draws))
    # Of the finite sample: some (D − 1) · effective kernels / N nats; measured below 0.015.
    assert abs(draws.mean() - truth) < 4 * error + 0.015
    assert error < 0.03


def test_batches_estimate_the_total_correlation_of_the_whole():
    """The mean over random batches is near the exact one of the data set."""
    rng = np.random.default_rng(4)
    loc = rng.multivariate_normal(np.zeros(2), [[1.0, 0.8], [0.8, 1.0]], 2048)
    z = loc + 0.4 * rng.normal(size=loc.shape)

    def mean(batch, examples):
        parts = [
            total_correlation(
                np.float32(z[i : i + batch]), normal(loc[i : i + batch], 0.4), examples
            )
            for i in range(0, len(loc), batch)
        ]
        return float(np.mean(parts))

    exact = mean(2048, None)
    assert exact == pytest.approx(-0.5 * np.log(1 - (0.8 / 1.16) ** 2), abs=0.05)
    assert mean(128, 2048) == pytest.approx(exact, abs=0.05)


def test_a_diagonal_multivariate_normal_is_factorized_as_well():
    rng = np.random.default_rng(1)
    loc, scale, z = np.float32(rng.uniform(0.2, 1, (3, 4, 3)))
    np.testing.assert_allclose(
        total_correlation(z, tfd.MultivariateNormalDiag(loc, scale), 50),
        total_correlation(z, normal(loc, scale), 50),
        rtol=1e-5,
    )


def test_a_grid_of_latent_variables():
    rng = np.random.default_rng(1)
    loc, scale, z = np.float32(rng.uniform(0.2, 1, (3, 4, 2, 3)))
    grid = tfd.Independent(tfd.Normal(loc, scale), 2)
    flat = normal(loc.reshape(4, 6), scale.reshape(4, 6))
    np.testing.assert_allclose(
        total_correlation(z, grid, 50), total_correlation(z.reshape(4, 6), flat, 50), rtol=1e-5
    )


def test_far_apart_codes_are_finite_with_their_gradients():
    loc = tf.constant([[0.0, 0.0], [1e4, -1e4], [3.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(loc)
        q = tfd.Independent(tfd.Normal(loc, 1e-2), 1)
        value = total_correlation(loc + 0.01, q, 1000)
    gradient = tape.gradient(value, loc)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    "posterior",
    [
        tfd.MultivariateNormalTriL(tf.zeros([4, 2]), tf.eye(2)),
        tfd.Independent(tfd.Deterministic(tf.zeros([4, 2])), 1),
        tfd.Dirichlet(tf.ones([4, 2])),
        tfd.Independent(tfd.MultivariateNormalDiag(tf.zeros([4, 3, 2]), tf.ones(2)), 1),
    ],
    ids=lambda posterior: posterior.name,
)
def test_refusals(posterior):
    with pytest.raises(tfvae.UserError, match="no product of them: take a factorized posterior"):
        total_correlation(posterior.sample(seed=(0, 0)), posterior)
