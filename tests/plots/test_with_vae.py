"""The figures of `tfvae.VAE` itself: the other tests have a model in closed form."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import plots

tfd = tfp.distributions
X = np.random.default_rng(0).integers(0, 17, [12, 8, 8, 1]).astype(np.float32)


def make(posterior, likelihood):
    vae = tfvae.VAE(
        encoder=tfvae.networks.Encoder(tfvae.networks.MLP([8]), posterior),
        decoder=tfvae.networks.Decoder(tfvae.networks.MLP([8]), likelihood),
    )
    vae(X)
    return vae


@pytest.fixture(scope="module")
def levels():
    likelihood = tfvae.layers.DiscretizedLogistic((8, 8, 1), levels=17)
    return make(tfvae.layers.IndependentNormal(3), likelihood)


def test_every_figure_is_the_same_each_time(levels):
    def draw():
        figures = [
            plots.reconstructions(levels, X),
            plots.samples(levels, 9),
            plots.latent_plane(levels, X, np.arange(12) % 2),
            plots.traversals(levels, X, steps=3),
        ]
        return [plots.to_image(figure) for figure in figures]

    for first, second in zip(draw(), draw(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_likelihood_tells_the_levels(levels):
    array = plots.reconstructions(levels, X, columns=12).axes[0].images[0].get_array()
    np.testing.assert_allclose(array[:80:10, :80:10, 0], X[0, :, :, 0] / 16, atol=1e-6)
    array = plots.samples(levels, 1, seed=5).axes[0].images[0].get_array()
    expected = levels.sample(1, seed=5, mean=True)[0, :, :, 0] / 16
    np.testing.assert_allclose(array[::10, ::10, 0], expected, atol=1e-6)


def test_rates_add_up_to_the_kl(levels):
    q, p = levels.encode(X), levels.prior()
    rates = plots.rate_per_dimension(q, p)
    assert rates.shape == (12, 3)
    np.testing.assert_allclose(tf.reduce_sum(rates, 1), tfd.kl_divergence(q, p), rtol=1e-4)


def test_a_full_covariance_has_the_rates_of_its_marginals():
    vae = make(tfvae.layers.MultivariateNormalTriL(2), tfvae.layers.IndependentNormal((8, 8, 1)))
    q = vae.encode(X)
    expected = tfd.kl_divergence(tfd.Normal(q.mean(), q.stddev()), tfd.Normal(0.0, 1.0))
    np.testing.assert_allclose(plots.rate_per_dimension(q, vae.prior()), expected, rtol=1e-4)
