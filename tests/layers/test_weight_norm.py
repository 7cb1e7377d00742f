"""Weight normalization: values against the formula, adaptation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae import layers
from tfvae.errors import UserError

LAYERS = [
    lambda: keras.layers.Dense(3, activation="relu"),
    lambda: keras.layers.Conv2D(3, 2, activation="relu"),
    lambda: keras.layers.Conv2DTranspose(3, 2, activation="relu"),
]


def data(layer):
    shape = [64, 5] if isinstance(layer, keras.layers.Dense) else [32, 4, 4, 5]
    return np.random.default_rng(0).normal(1.0, 3.0, size=shape).astype("float32")


@pytest.mark.parametrize("make", LAYERS)
def test_kernel_is_g_v_over_the_norm_of_v(make):
    keras.utils.set_random_seed(0)
    wrapped = layers.WeightNorm(make())
    x = data(wrapped.layer)
    np.testing.assert_allclose(wrapped(x), wrapped.layer(x), rtol=1e-4, atol=1e-5)
    g = np.array([0.5, 1.0, 2.0], "float32")
    wrapped.g.assign(g)
    plain = make()
    plain.build(x.shape)
    v, axis = wrapped.layer.kernel.numpy(), -2 if "Transpose" in type(plain).__name__ else -1
    v = np.moveaxis(v, axis, -1)
    kernel = g * v / np.linalg.norm(v.reshape(-1, 3), axis=0)
    plain.set_weights([np.moveaxis(kernel, -1, axis), wrapped.layer.bias.numpy()])
    np.testing.assert_allclose(wrapped(x), plain(x), rtol=1e-4, atol=1e-5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(wrapped(x) ** 2)
    gradients = tape.gradient(loss, [w.value for w in wrapped.trainable_variables])
    assert len(gradients) == 3
    # The length is g's alone: the gradient by v is at right angles to v.
    (by_v,) = (d for d in gradients if d.shape.rank > 1)
    by_v = np.moveaxis(by_v.numpy(), axis, -1)
    cosine = np.sum(by_v * v) / (np.linalg.norm(by_v) * np.linalg.norm(v))
    assert abs(cosine) < 1e-4


@pytest.mark.parametrize("make", LAYERS)
def test_adapt_makes_mean_zero_and_variance_one(make):
    keras.utils.set_random_seed(0)
    wrapped = layers.WeightNorm(make())
    x = data(wrapped.layer)
    wrapped.adapt(x)
    wrapped.layer.activation = keras.activations.linear
    outputs = wrapped(x).numpy().reshape(-1, 3)
    np.testing.assert_allclose(outputs.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(outputs.var(0), 1, rtol=1e-3)


def test_mistakes_are_named():
    with pytest.raises(UserError, match="with a kernel"):
        layers.WeightNorm(keras.layers.Flatten())(tf.ones([1, 2]))
    with pytest.raises(UserError, match="activity_regularizer"):
        layers.WeightNorm(keras.layers.Dense(2, activity_regularizer="l2"))


def test_direction_length_and_state_have_the_names_of_tfp():
    layer = layers.WeightNorm(keras.layers.Dense(3), data_init=False)
    assert not layer.initialized
    layer(tf.ones([2, 5]))
    assert layer.initialized
    assert layer.v is layer.layer.kernel
    assert layer.kernel_norm_axes == [0]
    np.testing.assert_allclose(layer.g, np.linalg.norm(layer.v, axis=0), rtol=1e-6)
    with pytest.raises(UserError, match="adapt"):
        layers.WeightNorm(keras.layers.Dense(3), data_init=True)
