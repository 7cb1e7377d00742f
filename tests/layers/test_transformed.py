"""Transformed distributions, and how tfp's objects are saved."""

import json

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers import IndependentNormal, TransformedDistribution
from tfvae.layers.tfp_objects import deserialize_tfp, serialize_tfp

tfb = tfp.bijectors
tfd = tfp.distributions
X = np.float32([[0.3, 2.0]])


@keras.saving.register_keras_serializable(package="tests")
def make_softplus():
    return tfb.Softplus()


def test_log_normal():
    layer = TransformedDistribution(IndependentNormal(2, scale=0.5), tfb.Exp())
    loc = np.float32([[0.1, -0.2]])
    expected = scipy.stats.lognorm(0.5, scale=np.exp(loc)).logpdf(X).sum(-1)
    np.testing.assert_allclose(layer(loc).log_prob(X), expected, rtol=1e-5)


def test_a_bijector_that_changes_the_shape_changes_the_event():
    layer = TransformedDistribution(IndependentNormal(3), tfb.FillTriangular())
    assert layer.event_shape == (2, 2)
    assert layer(tf.zeros([5, 6])).event_shape == (2, 2)


@pytest.mark.parametrize(
    "bijector",
    [
        tfb.Exp(),
        tfb.Chain([tfb.Shift(np.float32([1.0, 2.0])), tfb.Scale(2.0), tfb.Softplus()]),
        tfb.Invert(tfb.Sigmoid(low=-1.0, high=4.0)),
        make_softplus,
    ],
)
def test_the_configuration_holds_the_bijector(bijector):
    layer = TransformedDistribution(IndependentNormal(2), bijector)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    again = keras.saving.deserialize_keras_object(config)
    params = tf.ones([3, 4])
    x = layer(params).sample(seed=0)
    np.testing.assert_allclose(again(params).log_prob(x), layer(params).log_prob(x), rtol=1e-6)


def test_weights_of_the_inner_layer_are_trained():
    layer = TransformedDistribution(IndependentNormal(2, scale="shared"), tfb.Exp())
    layer(tf.zeros([5, 2]))
    assert len(layer.trainable_weights) == 1


@pytest.mark.parametrize(
    "distribution",
    [
        tfd.Independent(tfd.Normal(tf.zeros([2]), [1.0, 3.0]), 1),
        tfd.MultivariateNormalTriL(tf.ones([2]), np.float32([[1, 0], [0.5, 2]])),
        tfd.MixtureSameFamily(
            tfd.Categorical(logits=[0.1, 0.2]), tfd.MultivariateNormalDiag(tf.eye(2))
        ),
        tfd.TransformedDistribution(tfd.MultivariateNormalDiag(tf.zeros(2)), tfb.Exp()),
    ],
)
def test_distributions_are_saved_as_plain_data(distribution):
    again = deserialize_tfp(json.loads(json.dumps(serialize_tfp(distribution))))
    assert type(again) is type(distribution)
    np.testing.assert_allclose(again.log_prob(X), distribution.log_prob(X), rtol=1e-6)


def test_what_cannot_be_saved_is_said():
    with pytest.raises(UserError, match="registered function"):
        serialize_tfp(tfb.Shift(tf.Variable(1.0)))
    with pytest.raises(UserError, match="registered function"):
        serialize_tfp(tfb.Inline(forward_fn=lambda x: x, forward_min_event_ndims=0))


@pytest.mark.parametrize("name", ["Distribution.__init__", "print", "kl_divergence"])
def test_only_classes_of_tfp_are_made(name):
    with pytest.raises((UserError, AttributeError)):
        deserialize_tfp({"tfp": "distribution", "type": name, "arguments": {}})
