import numpy as np
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.objectives import SlicedWasserstein
from tfvae.objectives.wasserstein import squared_wasserstein

tfd = tfp.distributions


def by_repetition(a, b, weights):
    """Of samples of one size: every point as often as the weights and the sizes ask for."""
    a = np.repeat(a, weights)
    a, b = np.repeat(a, len(b)), np.repeat(b, len(a))
    return ((np.sort(a) - np.sort(b)) ** 2).mean()


def test_samples_of_any_size_and_weight():
    rng = np.random.default_rng(0)
    for n, m, weights in [
        (7, 7, None),
        (5, 8, None),
        (8, 3, None),
        (1, 4, None),
        (6, 4, [1, 2, 0, 3, 1, 1]),
        (6, 9, [0, 0, 5, 1, 0, 2]),
    ]:
        a, b = rng.normal(size=(2, 3, n)), rng.normal(1.0, 2.0, size=(2, 3, m))
        found = squared_wasserstein(
            tf.constant(a, tf.float32),
            tf.constant(b, tf.float32),
            None if weights is None else tf.constant(weights, tf.float32),
        )
        counts = np.ones(n, int) if weights is None else weights
        truth = [[by_repetition(a[i, j], b[i, j], counts) for j in range(3)] for i in range(2)]
        np.testing.assert_allclose(found, truth, rtol=1e-4)


def test_of_normals_it_is_the_closed_form():
    points = scipy.stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    found = squared_wasserstein(
        tf.constant(0.8 + 1.5 * points, tf.float32), tf.constant(points[::2], tf.float32)
    )
    np.testing.assert_allclose(found, 0.8**2 + 0.5**2, rtol=5e-3)


def test_no_weight_at_all_is_finite():
    found = squared_wasserstein(tf.ones([3]), tf.zeros([2]), tf.zeros([3]))
    assert np.isfinite(found)


def output_of(z, prior):
    q = tfd.Independent(tfd.Normal(z, 1.0), 1)
    latent = tfvae.Latent(z, q, prior)
    return tfvae.VAEOutput((latent,), tfd.Independent(tfd.Normal(z, 1.0), 1))


def test_a_shift_of_all_codes_is_its_mean_square():
    """The mean of (θᵀm)² over the sphere is |m|²/D: of codes and a prior that are points."""
    shift, count = np.float32([1.0, -2.0, 0.5]), 4000
    prior = tfd.Independent(tfd.Normal(tf.zeros(3), 1e-6), 1)
    z = tf.tile(shift[None], [5, 1])
    terms = SlicedWasserstein(projections=count)(np.zeros((5, 3), np.float32), output_of(z, prior))
    found = terms.terms["sliced_wasserstein"].numpy()
    assert (found == found[0]).all()
    square = (shift**2).sum()
    # The variance of (θᵀm)²/|m|² is that of the beta distribution (1/2, (D − 1)/2).
    error = square * scipy.stats.beta(0.5, 1.0).std() / np.sqrt(count)
    assert abs(found[0] - square / 3) < 4.5 * error


def test_the_loss_and_k_samples():
    rng = np.random.default_rng(0)
    prior = tfd.Independent(tfd.Normal(tf.zeros(2), 1.0), 1)
    z = rng.normal(size=(3, 6, 2)).astype(np.float32)
    x, several = np.zeros((6, 2), np.float32), SlicedWasserstein(7.0, samples=3, projections=8)
    loss, terms = several(x, output_of(tf.constant(z), prior), step=4)
    distance = terms["sliced_wasserstein"]
    np.testing.assert_allclose(loss, terms["distortion"] + 7.0 * distance, rtol=1e-5)
    single = SlicedWasserstein(projections=8)
    alone = [single(x, output_of(tf.constant(one), prior), step=4).terms for one in z]
    alone = np.mean([one["sliced_wasserstein"] for one in alone], axis=0)
    np.testing.assert_allclose(distance, alone, rtol=1e-5)
    other = several(x, output_of(tf.constant(z), prior), step=5).terms["sliced_wasserstein"]
    assert abs(other[0] - distance[0]) > 1e-3
