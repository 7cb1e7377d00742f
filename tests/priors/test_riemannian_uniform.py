import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.errors import UserError
from tfvae.priors import PosteriorMetric, RiemannianUniform

LOC = np.array([[-0.7, 0.0], [0.7, 0.0], [0.0, 0.7]])
COVARIANCE = np.array(
    [[[1.0, 0.3], [0.3, 0.5]], [[0.5, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]]
)


def fitted(**options):
    prior = RiemannianUniform(PosteriorMetric(3, regularization=0.1), **options)
    prior.fit(LOC, COVARIANCE)
    return prior


def metric(z):
    """The formula, one point and one posterior after the other."""
    reach = np.linalg.norm(LOC[0] - LOC[2])  # each has another at this distance
    found = []
    for point in z:
        g = 0.1 * np.exp(-(point @ point) / 0.49) * np.eye(2)
        for loc, covariance in zip(LOC, COVARIANCE, strict=True):
            precision = np.linalg.inv(covariance)
            distance = (point - loc) @ precision @ (point - loc)
            g = g + np.exp(-distance / reach**2) * precision
        found.append(g)
    return np.array(found)


def test_the_metric_and_its_volume_are_those_of_numpy():
    z = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    prior = fitted()
    np.testing.assert_allclose(prior.metric(z), metric(z), rtol=1e-4)
    expected = 0.5 * np.linalg.slogdet(metric(z))[1]
    np.testing.assert_allclose(prior().log_volume(tf.constant(z)), expected, rtol=1e-4, atol=1e-5)


def test_draws_are_uniform_on_the_manifold():
    """Moments of draws against those of √det G, summed on a grid."""
    axis = np.linspace(-5, 5, 101)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    volume = np.sqrt(np.linalg.det(metric(grid)))
    assert volume.reshape(101, 101)[0].max() < 1e-6 * volume.max()
    distribution = fitted(chain=30, leapfrog=5, step_size=0.3)()
    draws = distribution.sample(2000, seed=(0, 1)).numpy()
    for function in (lambda z: z, lambda z: z**2, lambda z: z[:, :1] * z[:, 1:]):
        values, truth = function(draws), volume @ function(grid) / volume.sum()
        assert (np.abs(values.mean(0) - truth) < 5 * values.std(0) / np.sqrt(2000)).all()


def test_posteriors_are_chosen_among_many():
    rng = np.random.default_rng(0)
    loc = np.repeat(10 * np.eye(3), 20, axis=0) + 0.1 * rng.normal(size=(60, 3))
    chosen = PosteriorMetric(3)
    chosen.fit(loc, np.full([60, 3], 0.25))
    rows = np.argmin(np.linalg.norm(chosen.loc.numpy()[:, None] - loc, axis=-1), axis=1)
    assert set(rows // 20) == {0, 1, 2}
    np.testing.assert_allclose(chosen.precision[0], 4.0 * np.eye(3), rtol=1e-6)


def test_a_model_draws_and_has_no_density(make_vae, binary, tmp_path):
    vae = make_vae()
    tfvae.fit_prior(vae, binary, "riemannian", centres=5, chain=2, leapfrog=2)
    draws = vae.sample(4, seed=1)
    np.testing.assert_array_equal(draws, vae.sample(4, seed=1))
    for refused in (vae.elbo, vae.log_prob):
        with pytest.raises(UserError, match="has no density that can be computed"):
            refused(binary[:2])
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(same.sample(4, seed=1), draws)
    # Another prior, and it can be trained again.
    tfvae.fit_prior(same, binary, components=2, draws=1)
    same.compile("adam", run_eagerly=True)
    assert np.isfinite(same.evaluate(binary, verbose=0, return_dict=True)["elbo"])
    with pytest.raises(UserError, match="centres=50 are more"):
        tfvae.fit_prior(vae, binary, "riemannian", centres=50)
