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


def full_normals(batch, dimensions, seed=1):
    """Means, Cholesky factors and covariances of normals, and a draw of each."""
    rng = np.random.default_rng(seed)
    loc = rng.normal(size=(batch, dimensions))
    lower = np.tril(rng.normal(size=(batch, dimensions, dimensions)))
    lower[:, range(dimensions), range(dimensions)] = rng.uniform(0.3, 1, (batch, dimensions))
    z = loc + np.einsum("nij,nj->ni", lower, rng.normal(size=loc.shape))
    return loc, lower, lower @ lower.transpose(0, 2, 1), z


@pytest.mark.parametrize("examples", [None, 1000])
def test_normals_of_full_covariance_against_a_brute_force(examples):
    loc, lower, covariance, z = full_normals(5, 3)
    n = examples or 5
    weights = np.where(np.eye(5), 1 / n, (n - 1) / (n * 4))
    density = scipy.stats.multivariate_normal.pdf
    joint = np.array([[density(a, loc[j], covariance[j]) for j in range(5)] for a in z])
    scale = np.sqrt(covariance[:, range(3), range(3)])  # of the marginals: the diagonal of Σ
    marginals = scipy.stats.norm.pdf(z[:, None], loc, scale)
    q = tfd.MultivariateNormalTriL(np.float32(loc), np.float32(lower))
    found = log_aggregate_posterior(np.float32(z), q, examples)
    np.testing.assert_allclose(found[0], np.log((weights * joint).sum(1)), rtol=1e-4, atol=1e-4)
    of_elements = np.log((weights[..., None] * marginals).sum(1)).sum(1)
    np.testing.assert_allclose(found[1], of_elements, rtol=1e-4, atol=1e-4)


def test_one_normal_of_full_covariance_has_the_total_correlation_of_its_closed_form():
    """q(z) is N(0, Σ) where all examples have the same posterior: TC = −½ log det of its R."""
    _, lower, covariance, _ = full_normals(1, 3)
    noise = np.random.default_rng(5).normal(size=(20_000, 3))
    z = np.float32(noise @ lower[0].T)
    q = tfd.MultivariateNormalTriL(np.zeros((1, 3), np.float32), np.float32(lower))
    joint, *marginals = log_mixture(z, q).numpy().astype(np.float64).T
    draws = joint - np.sum(marginals, axis=0)
    scale = np.sqrt(np.diag(covariance[0]))
    truth = -0.5 * np.linalg.slogdet(covariance[0] / np.outer(scale, scale))[1]
    assert truth > 0.3
    assert abs(draws.mean() - truth) < 4 * draws.std() / np.sqrt(len(draws))


def test_normals_along_further_axes_are_looked_through():
    rng = np.random.default_rng(1)
    loc, scale, z = np.float32(rng.uniform(0.2, 1, (3, 4, 2, 3)))
    rows = tfd.Independent(tfd.MultivariateNormalTriL(loc, tf.linalg.diag(scale)), 1)
    flat = normal(loc.reshape(4, 6), scale.reshape(4, 6))
    np.testing.assert_allclose(
        total_correlation(z, rows, 50), total_correlation(z.reshape(4, 6), flat, 50), rtol=1e-4
    )


# Sample weights.


@pytest.mark.parametrize("full", [False, True], ids=["factorized", "full covariance"])
def test_an_example_of_weight_two_is_the_example_twice(full):
    loc, lower, _, z = full_normals(4, 3)

    def found(places, weights):
        if full:
            q = tfd.MultivariateNormalTriL(np.float32(loc[places]), np.float32(lower[places]))
        else:
            q = normal(loc[places], np.abs(lower[places][..., 0]) + 0.1)
        return np.stack(
            log_aggregate_posterior(np.float32(z[places]), q, weights=np.float32(weights))
        )

    twice = found([0, 1, 2, 3, 2], [1, 1, 1, 1, 1])
    weighted = found([0, 1, 2, 3], [1, 1, 2, 1])
    np.testing.assert_allclose(weighted, twice[:, :4], rtol=1e-4, atol=1e-4)
    # One of weight 0 is none, and only the proportions count.
    without = found([0, 1, 3], [1, 1, 1])
    np.testing.assert_allclose(
        found([0, 1, 2, 3], [5, 5, 0, 5])[:, [0, 1, 3]], without, rtol=1e-4, atol=1e-4
    )
    assert np.abs(without - twice[:, [0, 1, 3]]).max() > 0.1


def test_equal_weights_change_nothing_and_rows_add_to_one():
    plain = stratified_log_weights(5, 100)
    np.testing.assert_allclose(
        stratified_log_weights(5, 100, weights=tf.fill([5], 3.0)), plain, rtol=1e-5
    )
    for weights in ([1.0, 2.0, 0.0, 0.5, 4.0], [0.0] * 4 + [1.0], [0.0] * 5):
        rows = np.exp(stratified_log_weights(5, 100, weights=tf.constant(weights))).sum(1)
        np.testing.assert_allclose(rows, 1.0, rtol=1e-5)
    # In the mean over batches, a weighted density is the mixture with these weights: column j of
    # weight v_j counts v_j times as much as another.
    found = np.exp(stratified_log_weights(3, 100, weights=tf.constant([1.0, 1.0, 3.0])))
    assert found[0, 2] / found[0, 1] == pytest.approx(3.0, rel=1e-5)


def test_weights_of_zero_leave_gradients_finite():
    loc, _, _, z = full_normals(3, 2)
    loc = tf.Variable(loc, dtype=tf.float32)
    for weights in ([1.0, 0.0, 0.0], [0.0, 0.0, 0.0]):
        with tf.GradientTape() as tape:
            q = tfd.Independent(tfd.Normal(loc, 0.5), 1)
            value = total_correlation(np.float32(z), q, 50, weights=tf.constant(weights))
        assert np.isfinite(tape.gradient(value, loc)).all()
        assert np.isfinite(value).all()


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
        tfd.Independent(tfd.Deterministic(tf.zeros([4, 2])), 1),
        tfd.Dirichlet(tf.ones([4, 2])),
        tfd.Independent(tfd.VonMisesFisher(tf.one_hot([[0, 1]], 3), 1.0), 1),
    ],
    ids=lambda posterior: posterior.name,
)
def test_refusals(posterior):
    with pytest.raises(tfvae.UserError, match=r"not known of .*: take a factorized posterior"):
        total_correlation(posterior.sample(seed=(0, 0)), posterior)
