import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.layers import SpectralNorm
from tfvae.networks import MLP


def converged(layer, shape, **kwargs):
    normed = SpectralNorm(layer, iterations=100, **kwargs)
    normed(tf.zeros([1, *shape]), training=True)
    return normed


def test_every_kernel_of_a_trunk_is_divided_by_its_largest_singular_value():
    trunk = converged(MLP([5, 3], "linear"), (4,))
    first, _, second, _ = (w.numpy() for w in trunk.layer.trainable_weights)
    x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    truth = x @ (first / np.linalg.norm(first, 2)) @ (second / np.linalg.norm(second, 2))
    np.testing.assert_allclose(trunk(x), truth, rtol=1e-4, atol=1e-5)


def test_a_convolution_counts_as_a_matrix_to_its_channels():
    layer = converged(keras.layers.Conv2D(3, 2, use_bias=False), (4, 4, 2))
    kernel = layer.layer.kernel.numpy()
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 2)).astype(np.float32)
    truth = layer.layer(x) / np.linalg.norm(kernel.reshape(-1, 3), 2)
    np.testing.assert_allclose(layer(x), truth, rtol=1e-4, atol=1e-5)


def test_the_gradient_is_that_of_the_normalized_kernel():
    """Against differences of NumPy's own singular values."""
    layer = converged(keras.layers.Dense(3, use_bias=False), (4,))
    x = np.random.default_rng(1).normal(size=(5, 4))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(layer(tf.constant(x, tf.float32)) ** 2)
    found = tape.gradient(value, layer.layer.kernel.value).numpy()
    kernel = layer.layer.kernel.numpy().astype(np.float64)

    def of(kernel):
        return ((x @ kernel / np.linalg.norm(kernel, 2)) ** 2).sum()

    for place in [(0, 0), (3, 1), (2, 2)]:
        step = np.zeros_like(kernel)
        step[place] = 1e-5
        truth = (of(kernel + step) - of(kernel - step)) / 2e-5
        assert found[place] == pytest.approx(truth, rel=1e-3, abs=1e-3)


def test_the_iteration_goes_on_in_training_alone():
    layer = SpectralNorm(keras.layers.Dense(3), iterations=1)
    layer(tf.ones([2, 4]))
    before = layer.vectors[0].numpy()
    layer(tf.ones([2, 4]), training=False)
    np.testing.assert_array_equal(layer.vectors[0], before)
    layer(tf.ones([2, 4]), training=True)
    assert np.abs(layer.vectors[0].numpy() - before).max() > 1e-3


def test_what_has_no_kernel_is_refused():
    with pytest.raises(tfvae.UserError, match=r"takes a layer with a kernel, .* has none"):
        SpectralNorm(keras.layers.Activation("relu"))(tf.ones([2, 3]))
    with pytest.raises(tfvae.UserError, match="iterations takes an integer from 1, got 0"):
        SpectralNorm(keras.layers.Dense(2), iterations=0)
