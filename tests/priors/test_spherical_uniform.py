import json

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from tfvae.distributions import kl_divergence
from tfvae.distributions.types import Latent
from tfvae.errors import UserError
from tfvae.layers import PowerSpherical, VonMisesFisher, concrete
from tfvae.priors import SphericalUniform


@pytest.mark.parametrize("d", [2, 3, 7])
def test_the_density_is_one_over_the_area_and_zero_off_the_sphere(d):
    z = np.random.default_rng(0).normal(size=(5, d)).astype("float32")
    z /= np.linalg.norm(z, axis=-1, keepdims=True)
    area = np.log(2) + d / 2 * np.log(np.pi) - scipy.special.gammaln(d / 2)
    prior = SphericalUniform(d)
    np.testing.assert_allclose(prior().log_prob(z), -area * np.ones(5), rtol=1e-5)
    np.testing.assert_array_equal(prior().log_prob(2 * z), np.full(5, -np.inf))
    assert prior().log_prob(z[:, None] * np.ones([5, 4, 1], "float32")).shape == (5, 4)


def test_draws_are_uniform():
    z = SphericalUniform(3)().sample(20_000, seed=(0, 1)).numpy()
    np.testing.assert_allclose(np.linalg.norm(z, axis=-1), 1.0, rtol=1e-5)
    # In three dimensions each coordinate is uniform on [−1, 1].
    for coordinate in z.T:
        assert scipy.stats.kstest(coordinate, scipy.stats.uniform(-1, 2).cdf).pvalue > 1e-3


@pytest.mark.parametrize("posterior", [VonMisesFisher, PowerSpherical])
def test_the_kl_is_exact(posterior):
    layer = posterior(3)
    q = concrete(layer(tf.constant([[0.3, -1.0, 0.5, 2.0]])))
    p = SphericalUniform(3)()
    z = q.sample(50_000, seed=(0, 1))
    ratio = np.float64(q.log_prob(z) - p.log_prob(z))
    kl = kl_divergence(Latent(z[0], q, p), "analytic")
    assert float(kl[0]) == pytest.approx(ratio.mean(), abs=4.5 * ratio.std() / np.sqrt(50_000))


def test_the_configuration_comes_back():
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(SphericalUniform(4))))
    assert keras.saving.deserialize_keras_object(config).event_shape == (4,)


@pytest.mark.parametrize("shape", [1, (2, 2)])
def test_what_is_no_vector_is_refused(shape):
    with pytest.raises(UserError, match="vectors of 2 elements or more"):
        SphericalUniform(shape)()
