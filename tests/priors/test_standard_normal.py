import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.priors import StandardNormal
from tfvae.priors.temperature import tempered


@pytest.mark.parametrize("shape", [3, (3,), (2, 3), (2, 2, 3)])
def test_log_prob_is_scipys(shape):
    prior = StandardNormal(shape)()
    event = (shape,) if isinstance(shape, int) else shape
    assert prior.batch_shape == []
    assert prior.event_shape == list(event)
    z = np.random.default_rng(0).normal(size=(5, *event)).astype(np.float32)
    truth = scipy.stats.norm.logpdf(z.reshape(5, -1)).sum(-1)
    np.testing.assert_allclose(prior.log_prob(z), truth, rtol=1e-5)


def test_draws_are_standard_normal():
    z = StandardNormal(4)().sample(20_000, seed=(0, 1)).numpy()
    assert z.shape == (20_000, 4)
    assert scipy.stats.kstest(z.ravel(), "norm").pvalue > 1e-3
    np.testing.assert_allclose(np.corrcoef(z.T), np.eye(4), atol=0.04)


def test_without_weights():
    prior = StandardNormal(4)
    prior.build()
    assert prior.weights == []


def test_the_shape_is_learned_when_it_is_not_given():
    prior = StandardNormal()
    assert prior.event_shape is None
    prior.build((2, 3))
    assert prior.event_shape == (2, 3)
    assert prior().event_shape == [2, 3]


def test_a_context_changes_nothing():
    prior = StandardNormal(2)(context=tf.zeros([7, 5]))
    assert prior.batch_shape == []
    np.testing.assert_allclose(prior.mean(), np.zeros(2))


def test_draws_at_a_temperature():
    prior = StandardNormal(3)
    z = prior().sample(6, seed=(0, 1))
    assert len(np.unique(z.numpy())) == 18
    np.testing.assert_allclose(tempered(prior(), 0.5).sample(6, seed=(0, 1)), 0.5 * z)


def test_config_round_trip():
    prior = StandardNormal((2, 3))
    same = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(prior))
    assert same.event_shape == (2, 3)
    assert (
        keras.saving.deserialize_keras_object(
            keras.saving.serialize_keras_object(StandardNormal())
        ).event_shape
        is None
    )


@pytest.mark.parametrize("name", ["mixed_bfloat16", "mixed_float16"])
def test_float32_under_mixed_precision(policy, name):
    policy(name)
    assert StandardNormal(3)().dtype == tf.float32


def test_without_a_shape_it_says_so():
    # Keras would take the context's shape for that of z.
    with pytest.raises(
        UserError, match=r"does not know the shape of z: .* give the prior event_shape"
    ):
        StandardNormal()(context=tf.zeros([7, 5]))
