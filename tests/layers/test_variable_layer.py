"""A trainable constant, alone and below a distribution."""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers import DistributionLambda, VariableLayer
from tfvae.losses import NegativeLogLikelihood

tfd = tfp.distributions


@keras.saving.register_keras_serializable(package="tests")
def normal_of(t):
    return tfd.Independent(tfd.Normal(t[..., 0], tf.math.softplus(t[..., 1])), 1)


def test_its_weight_comes_back_whatever_the_input():
    layer = VariableLayer([3, 2], initializer="ones", activation="tanh")
    for x in (0.0, tf.zeros([7, 5])):
        np.testing.assert_allclose(layer(x), np.full((3, 2), np.tanh(1.0)), rtol=1e-6)


def test_a_distribution_without_inputs_is_fitted_to_its_data():
    """As in the docstring of tfp.layers.VariableLayer: maximum likelihood by `fit`."""
    x = (2 + 0.5 * np.random.default_rng(0).normal(size=(256, 4))).astype("float32")
    model = keras.Sequential([VariableLayer([4, 2]), DistributionLambda(normal_of)])
    model.compile(keras.optimizers.Adam(0.1), loss=NegativeLogLikelihood(), steps_per_execution=200)
    data = tf.data.Dataset.from_tensors((tf.zeros([256, 1]), x)).repeat()
    model.fit(data, steps_per_epoch=200, verbose=0)
    fitted = model(tf.zeros([1]))
    np.testing.assert_allclose(fitted.mean(), x.mean(0), atol=0.01)
    np.testing.assert_allclose(fitted.stddev(), x.std(0), atol=0.02)
