"""Gumbel-softmax: relaxed and straight-through."""

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.layers import RelaxedOneHotCategorical
from tfvae.schedules import Linear

tfd = tfp.distributions
LOGITS = np.float32([[0.5, -1.0, 0.2], [2.0, 0.0, -2.0]])


def test_density_is_that_of_the_paper():
    # Maddison et al., equation 2: (n − 1)! τ^{n−1} Π_k α_k x_k^{−τ−1} / (Σ_k α_k x_k^{−τ})^n.
    tau, x = 0.7, np.float64([[0.2, 0.3, 0.5], [0.9, 0.05, 0.05]])
    alpha = np.exp(np.float64(LOGITS))
    expected = (
        scipy.special.gammaln(3)
        + 2 * np.log(tau)
        + np.log(alpha * x ** (-tau - 1)).sum(-1)
        - 3 * np.log((alpha * x**-tau).sum(-1))
    )
    layer = RelaxedOneHotCategorical(3, temperature=tau)
    np.testing.assert_allclose(layer(LOGITS).log_prob(np.float32(x)), expected, rtol=1e-5)


def test_straight_through_samples_are_one_hot_with_the_frequencies():
    layer = RelaxedOneHotCategorical(3, straight_through=True)
    n = 20000
    draws = layer(LOGITS).sample(n, seed=1).numpy()
    np.testing.assert_allclose(np.sort(draws, axis=-1), [[[0, 0, 1]] * 2] * n, atol=1e-6)
    p = scipy.special.softmax(LOGITS, axis=-1)
    assert np.all(np.abs(draws.mean(0) - p) < 4.5 * np.sqrt(p * (1 - p) / n))


def test_straight_through_gradient_is_the_relaxed_one():
    weights = tf.constant([1.0, 2.0, -3.0])

    def gradient(straight_through):
        logits = tf.constant(LOGITS)
        layer = RelaxedOneHotCategorical(3, straight_through=straight_through)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = tf.reduce_sum(layer(logits).sample(seed=[1, 2]) * weights)
        return tape.gradient(value, logits)

    assert np.abs(gradient(True)).max() > 0.01
    np.testing.assert_allclose(gradient(True), gradient(False), rtol=1e-4, atol=1e-6)


def test_straight_through_divergence_is_the_categorical_one():
    layer = RelaxedOneHotCategorical((2, 3), straight_through=True)
    prior = tfd.Independent(tfd.OneHotCategorical(tf.zeros([2, 3])), 1)
    p = scipy.special.softmax(np.float64(LOGITS), axis=-1)
    np.testing.assert_allclose(
        tfd.kl_divergence(layer(LOGITS.reshape(1, -1)), prior),
        [(p * np.log(3 * p)).sum()],
        rtol=1e-5,
    )


@pytest.mark.parametrize("straight_through", [False, True])
def test_temperature_follows_the_steps_of_training(straight_through):
    schedule = Linear(1.0, 0.5, steps=4)
    layer = RelaxedOneHotCategorical(3, temperature=schedule, straight_through=straight_through)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), layer])
    x = np.zeros((8, 3), "float32")
    model.compile("sgd", loss=lambda y, d: tf.zeros([8]) * tf.convert_to_tensor(d)[:, 0])
    assert layer(x).temperature.numpy().max() == 1.0
    model.fit(x, x, batch_size=8, epochs=3, verbose=0)
    model.predict(x, verbose=0)
    assert int(layer.step.value) == 3
    # The latest training step was the third, which has the index 2.
    assert layer(x).temperature.numpy().max() == pytest.approx(0.75)


@pytest.mark.parametrize("shape", [3, (2, 3)])
def test_density_of_own_samples_is_finite_at_low_temperature(shape):
    logits = LOGITS if shape == 3 else LOGITS.reshape([1, 6])
    distribution = RelaxedOneHotCategorical(shape, temperature=0.1)(logits * 5)
    x = distribution.sample(2000, seed=3)
    log_prob = distribution.log_prob(x).numpy()
    assert np.all(np.isfinite(log_prob))


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(UserError, match="above 0"):
        RelaxedOneHotCategorical(3, temperature=0.0)
