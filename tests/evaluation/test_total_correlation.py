import sys

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae.evaluation import total_correlation

tfd = tfp.distributions


class Noisy(keras.layers.Layer):
    """q(z|x) = N(x, 0.3²): the aggregate posterior of x is known."""

    def call(self, x):
        return tfd.Independent(tfd.Normal(x, 0.3), 1)


@pytest.fixture
def vae(make_vae):
    decoder = make_vae(built=False, likelihood=tfvae.layers.IndependentNormal(2)).decoder
    return tfvae.VAE(Noisy(), decoder)


def correlated(n, correlation, seed=0):
    covariance = np.array([[1.0, correlation], [correlation, 1.0]]) - 0.09 * np.eye(2)
    x = np.random.default_rng(seed).multivariate_normal(np.zeros(2), covariance, n)
    return np.float32(x)


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_against_a_gaussian(vae, correlation):
    data = tf.data.Dataset.from_tensor_slices(correlated(2500, correlation)).batch(700)
    table = total_correlation(vae, data)
    truth = -0.5 * np.log(1 - correlation**2)
    # The sum over the examples is exact; that they are 2500 and no Gaussian is the 0.02.
    assert abs(table["total_correlation"] - truth) < 4 * table["total_correlation_se"] + 0.02
    assert 0 < table["total_correlation_se"] < 0.03
    # I(x; z) = h(z) − h(z|x) of Gaussians.
    covariance = [[1.0, correlation], [correlation, 1.0]]
    truth = 0.5 * np.log(np.linalg.det(covariance)) - 2 * np.log(0.3)
    assert table["mutual_information"] == pytest.approx(truth, abs=0.1)
    assert table["examples"] == 2500


def test_brute_force_of_few_examples(vae, monkeypatch):
    x = correlated(7, 0.5)
    data = tf.data.Dataset.from_tensor_slices(x).batch(3)
    table = total_correlation(vae, data, seed=5)
    seed = tfvae.distribute.as_seed(5)
    z = np.concatenate(
        [
            vae(part, seed=tfvae.distribute.fold_in(seed, i)).latents[0].z
            for i, part in enumerate(data)
        ]
    )
    density = scipy.stats.norm.pdf(z[:, None], x, 0.3)  # [draw, example, dimension]
    joint = np.log(density.prod(2).mean(1))
    draws = joint - np.log(density.mean(1)).sum(1)
    assert table["total_correlation"] == pytest.approx(draws.mean(), rel=1e-4)
    assert table["total_correlation_se"] == pytest.approx(draws.std(ddof=1) / 7**0.5, rel=1e-4)
    own = scipy.stats.norm.logpdf(z, x, 0.3).sum(1)
    assert table["mutual_information"] == pytest.approx((own - joint).mean(), rel=1e-4)
    # In small pieces, the same.
    monkeypatch.setattr(sys.modules[total_correlation.__module__], "ELEMENTS", 12)
    assert total_correlation(vae, data, seed=5) == pytest.approx(table, rel=1e-5)
    assert total_correlation(vae, data, seed=6) != pytest.approx(table, rel=1e-3)
    assert total_correlation(vae, data, examples=5)["examples"] == 5
    # Fewer draws: the sums are over all examples still.
    table = total_correlation(vae, data, draws=4, seed=5)
    assert table["examples"] == 7
    assert table["total_correlation"] == pytest.approx(draws[:4].mean(), rel=1e-4)
    assert table["total_correlation_se"] == pytest.approx(draws[:4].std(ddof=1) / 2, rel=1e-4)
    assert table["mutual_information"] == pytest.approx((own - joint)[:4].mean(), rel=1e-4)


def test_refusals(vae, make_vae):
    data = tf.data.Dataset.from_tensor_slices(correlated(6, 0.5)).batch(3)
    with pytest.raises(tfvae.UserError, match="examples takes a number from 1"):
        total_correlation(vae, data, examples=0)
    with pytest.raises(tfvae.UserError, match="draws takes a number from 1"):
        total_correlation(vae, data, draws=0)
    with pytest.raises(tfvae.UserError, match="the data set is empty"):
        total_correlation(vae, data.take(0))
    sphere = make_vae(
        latent=tfvae.layers.VonMisesFisher(3),
        prior=tfvae.priors.SphericalUniform(),
        likelihood=tfvae.layers.IndependentNormal(2),
        built=False,
    )
    with pytest.raises(tfvae.UserError, match="take a factorized posterior"):
        total_correlation(sphere, data)


def test_posteriors_of_full_covariance(vae):
    """Of covariances that are diagonal, the numbers of the factorized posterior."""

    class Full(keras.layers.Layer):
        def call(self, x):
            return tfd.MultivariateNormalTriL(x, 0.3 * tf.eye(2))

    data = tf.data.Dataset.from_tensor_slices(correlated(50, 0.8)).batch(20)
    full = total_correlation(tfvae.VAE(Full(), vae.decoder), data, seed=1)
    factorized = total_correlation(vae, data, seed=1)
    errors = full["total_correlation_se"] + factorized["total_correlation_se"]
    assert abs(full["total_correlation"] - factorized["total_correlation"]) < 4 * errors
    assert full["mutual_information"] == pytest.approx(factorized["mutual_information"], abs=0.5)
