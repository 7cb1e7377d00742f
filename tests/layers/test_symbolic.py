"""The output of a probability layer in a functional model answers as a distribution does."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.layers import (
    DenseFlipout,
    IndependentBernoulli,
    IndependentNormal,
    KLDivergenceAddLoss,
    noise,
)

tfd = tfp.distributions

X = tf.random.stateless_normal([5, 4], (1, 2))


def loc_scale():
    return X[:, :2].numpy(), np.log1p(np.exp(X[:, 2:].numpy())) + 1e-3


def test_methods_are_keras_tensors_and_have_the_distributions_values(tmp_path):
    x, t = keras.Input((4,)), keras.Input((2,))
    y = IndependentNormal(2)(x)
    assert (y.batch_shape, y.event_shape) == ((None,), (2,))
    outputs = [y.mean(), y.stddev(), y.log_prob(t), y.sample(3), keras.layers.Dense(1)(y.mean())]
    assert [o.shape for o in outputs] == [(None, 2), (None, 2), (None,), (3, None, 2), (None, 1)]
    model = keras.Model([x, t], outputs)
    model.save(tmp_path / "m.keras")
    loc, scale = loc_scale()
    target = np.ones([5, 2], "float32")
    expected = scipy.stats.norm(loc, scale).logpdf(target).sum(1)
    loaded, cloned = keras.saving.load_model(tmp_path / "m.keras"), keras.models.clone_model(model)
    for made in (model, loaded, cloned):
        mean, stddev, log_prob, draws, _ = made.predict([X, target], verbose=0)
        np.testing.assert_allclose(mean, loc)
        np.testing.assert_allclose(stddev, scale, rtol=1e-5)
        np.testing.assert_allclose(log_prob, expected, rtol=1e-4)
        assert draws.shape == (3, 5, 2)


def test_properties_are_keras_tensors_too():
    x = keras.Input((3,))
    y = IndependentBernoulli(3)(x)
    normal = IndependentNormal((), "mean")(keras.Input((2,)))
    np.testing.assert_array_equal(keras.Model(x, y.mean())(X[:, :3]), tf.sigmoid(X[:, :3]))
    assert normal.entropy().shape == (None,)


def test_what_a_symbolic_output_has_not_names_the_remedy():
    y = IndependentNormal(2)(keras.Input((4,)))
    for name in ("distribution", "nonsense"):
        with pytest.raises(AttributeError, match="call the model on data"):
            getattr(y, name)
    assert not hasattr(y, "numpy")


def test_divergences_from_a_distribution_and_from_a_symbolic_output():
    x = keras.Input((4,))
    y, standard = IndependentNormal(2)(x), IndependentNormal.new(tf.zeros([4]), 2)
    divergences = [y.kl_divergence(standard), y.kl_divergence(y), y.cross_entropy(y) - y.entropy()]
    kl = keras.Model(x, divergences)(X)
    expected = tfd.kl_divergence(IndependentNormal.new(X, 2), standard)
    np.testing.assert_allclose(kl[0], expected, rtol=1e-5)
    np.testing.assert_allclose(kl[1:], np.zeros([2, 5]), atol=1e-6)


def test_the_density_at_another_layers_output_is_that_at_its_value():
    x = keras.Input((4,))
    y, z = IndependentNormal(2)(x), IndependentNormal(2, "mean")(x)
    loc, scale = loc_scale()
    expected = scipy.stats.norm(loc, scale).logpdf(loc).sum(1)
    np.testing.assert_allclose(keras.Model(x, y.log_prob(z))(X), expected, rtol=1e-5)


def test_methods_follow_on_a_kl_loss():
    x = keras.Input((4,))
    prior = IndependentNormal.new(tf.zeros([4]), 2)
    y = KLDivergenceAddLoss(prior)(IndependentNormal(2)(x))
    model = keras.Model(x, [y.mean(), y])
    mean, value = model(X)
    np.testing.assert_allclose(mean, loc_scale()[0])
    assert len(model.losses) == 1
    assert model.output[1].shape == (None, 2)
    assert np.any(value != mean)


def test_a_symbolic_draw_follows_the_seed_of_a_block():
    x = keras.Input((4,))
    model = keras.Model(x, IndependentNormal(2)(DenseFlipout(4)(x)).sample())

    def call(seed):
        with noise(seed):
            return model(X)

    np.testing.assert_array_equal(call(1), call(1))
    assert np.any(call(1) != call(2))


def test_a_model_of_methods_is_trained():
    x, t = keras.Input((4,)), keras.Input((2,))
    y = IndependentNormal(2)(keras.layers.Dense(4)(x))
    model = keras.Model([x, t], y.log_prob(t))
    model.compile("adam", loss=lambda _, log_prob: -log_prob)
    history = model.fit([X, X[:, :2]], np.zeros([5]), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
