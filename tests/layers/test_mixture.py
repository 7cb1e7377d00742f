"""Mixtures against the sums that define them."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.layers import (
    CategoricalMixtureOfOneHotCategorical,
    IndependentBernoulli,
    MixtureLogistic,
    MixtureNormal,
    MixtureSameFamily,
    MultivariateNormalTriL,
)

X = np.float32([[0.3, -1.0], [2.0, 0.5]])


@pytest.fixture
def draw():
    return lambda n: np.random.default_rng(0).normal(size=(2, n)).astype("float32")


@pytest.mark.parametrize(
    ("layer", "reference"),
    [(MixtureNormal, scipy.stats.norm), (MixtureLogistic, scipy.stats.logistic)],
)
def test_mixtures_of_independent_elements(layer, reference, draw):
    params = draw(3 * 5)
    logits, rest = params[:, :3], np.float64(params[:, 3:].reshape(2, 3, 2, 2))
    log_weights = scipy.special.log_softmax(logits, axis=-1)
    components = reference(rest[:, :, 0], np.log1p(np.exp(rest[:, :, 1])) + 1e-3)
    expected = scipy.special.logsumexp(log_weights + components.logpdf(X[:, None]).sum(-1), axis=-1)
    distribution = layer(3, 2)(params)
    np.testing.assert_allclose(distribution.log_prob(X), expected, rtol=1e-5)
    mean = (np.exp(log_weights)[..., None] * rest[:, :, 0]).sum(1)
    np.testing.assert_allclose(distribution.mean(), mean, rtol=1e-4, atol=1e-6)


def test_any_layer_makes_components(draw):
    layer = MixtureSameFamily(2, MultivariateNormalTriL(2))
    params = draw(layer.params_size)
    parts = [MultivariateNormalTriL.new(params[:, 2 + 5 * k : 7 + 5 * k], 2) for k in range(2)]
    log_weights = scipy.special.log_softmax(params[:, :2], axis=-1)
    stacked = np.stack([p.log_prob(X) for p in parts], -1)
    expected = scipy.special.logsumexp(log_weights + stacked, axis=-1)
    np.testing.assert_allclose(layer(params).log_prob(X), expected, rtol=1e-5)


def test_samples_carry_gradients_on_request(draw):
    n = 4000
    params = tf.tile(tf.constant(draw(10)[:1]), [n, 1])
    layer = MixtureNormal(2, 2, reparameterize=True)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(params)
        drawn = tf.reduce_sum(layer(params).sample(seed=1))
        exact = tf.reduce_sum(layer(params).mean())
    single = tape.gradient(drawn, params).numpy()
    truth = tape.gradient(exact, params).numpy()[0]
    # The logits' gradients are what plain samples miss.
    assert np.abs(truth[:2]).min() > 0.05
    assert np.all(np.abs(single.mean(0) - truth) < 4.5 * single.std(0) / np.sqrt(n) + 1e-6)


def test_a_mixture_of_one_hot_vectors_is_a_categorical(draw):
    params = draw(2 * 4)
    p = (
        scipy.special.softmax(params[:, :2], -1)[..., None]
        * scipy.special.softmax(params[:, 2:].reshape(2, 2, 3), -1)
    ).sum(1)
    distribution = CategoricalMixtureOfOneHotCategorical(3, 2)(params)
    np.testing.assert_allclose(distribution.prob(np.eye(3)[:, None]), p.T, rtol=1e-5)
    np.testing.assert_allclose(distribution.mean(), p, rtol=1e-5)
    np.testing.assert_allclose(distribution.log_mean(), np.log(p), rtol=1e-5)
    np.testing.assert_array_equal(distribution.mode(), np.eye(3)[p.argmax(-1)])


def test_components_have_to_be_a_probability_layer():
    with pytest.raises(UserError, match="component_layer"):
        MixtureSameFamily(2, lambda t: t)
    with pytest.raises(UserError, match="num_components"):
        MixtureSameFamily(0, IndependentBernoulli(2))
