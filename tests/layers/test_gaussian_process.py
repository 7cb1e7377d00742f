"""The variational Gaussian process: against the exact process, its loss, saving."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfvae import layers
from tfvae.errors import UserError

X = np.linspace(-2, 2, 30)[:, None].astype("float32")
Y = (np.sin(2 * X) + 0.1 * np.random.default_rng(0).normal(size=X.shape)).astype("float32")


def process(points=X, **kwargs):
    kwargs = {"jitter": 1e-4} | kwargs
    noise = keras.initializers.Constant(np.log(np.expm1(0.01)))
    return layers.VariationalGaussianProcess(
        len(points),
        layers.ExponentiatedQuadratic(1.5, 0.8),
        inducing_index_points_initializer=keras.initializers.Constant(points),
        unconstrained_observation_noise_variance_initializer=noise,
        **kwargs,
    )


def model_of(layer):
    return keras.Sequential([keras.Input((1,)), layer])


def test_kernel_starts_at_its_arguments():
    kernel = layers.ExponentiatedQuadratic(2.0, 0.5).kernel
    expected = 4 * np.exp(-((0.3 - 1.0) ** 2) / (2 * 0.25))
    np.testing.assert_allclose(kernel.apply([0.3], [1.0]), expected, rtol=1e-5)


@pytest.mark.parametrize("points", [X[::3], X[::6]])
def test_bound_and_prediction_are_those_of_titsias(points):
    # With the best q(f_Z) the bound is log N(y; 0, Q + noise I) - tr(K - Q) / (2 noise).
    noise, jitter, z, y = 0.01, 1e-9, points.astype("float64"), Y[:, 0].astype("float64")
    x = X.astype("float64")
    layer = layers.VariationalGaussianProcess(
        len(z),
        layers.ExponentiatedQuadratic(1.5, 0.8, dtype="float64"),
        inducing_index_points_initializer=keras.initializers.Constant(z),
        jitter=jitter,
    )
    layer.build((None, 1))
    layer.observation_noise.assign(np.log(np.expm1(noise)))

    def kernel(a, b):
        return 1.5**2 * np.exp(-((a - b.T) ** 2) / (2 * 0.8**2))

    kzz, kxz, kxx = kernel(z, z) + jitter * np.eye(len(z)), kernel(x, z), kernel(x, x)
    covariance = kzz @ np.linalg.solve(kzz + kxz.T @ kxz / noise, kzz)
    loc = covariance @ np.linalg.solve(kzz, kxz.T @ y) / noise
    layer.loc.assign(loc[None])
    layer.scale.assign(np.linalg.cholesky(covariance + 1e-13 * np.eye(len(z)))[None])
    projected = kxz @ np.linalg.solve(kzz, kxz.T)
    evidence = scipy.stats.multivariate_normal(cov=projected + noise * np.eye(len(x))).logpdf(y)
    bound = evidence - np.trace(kxx - projected) / (2 * noise)
    p = layer(x)
    np.testing.assert_allclose(-p.variational_loss(y[:, None]), bound, rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(p.mean()[:, 0], kxz @ np.linalg.solve(kzz, loc), atol=1e-4)


def test_what_is_above_the_diagonal_of_the_scale_counts_nowhere():
    layer = process(X[::6])
    layer(X)
    before = layer(X).variational_loss(Y), layer(X).variance()
    layer.scale.assign(layer.scale + np.triu(np.ones([5, 5]), k=1))
    after = layer(X).variational_loss(Y), layer(X).variance()
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_loss_of_fit_is_the_negative_bound_for_each_example():
    model = model_of(process(X[::6]))
    p = model(X)
    expected = float(p.variational_loss(Y)) / len(X)
    kl = float(p.surrogate_posterior_kl_divergence_prior())
    model.compile(keras.optimizers.SGD(0.0), loss=layers.VariationalLoss(len(X)))
    # Two equal halves of the data: their mean is the bound of all of it.
    reported = model.fit(X, Y, batch_size=15, verbose=0).history["loss"][0]
    np.testing.assert_allclose(reported, expected, rtol=1e-4)
    assert kl > 1, "so that its weight is seen"


def test_targets_without_their_last_axis_are_the_same_targets():
    p, loss = process(X[::6])(X), layers.VariationalLoss(len(X))
    assert float(loss(Y[:, 0], p)) == float(loss(Y, p))
    each = np.linspace(0, 2, len(X))
    assert float(loss(Y[:, 0], p, each)) == float(loss(Y, p, each[:, None]))
    for wrong in (Y[:29], np.tile(Y, 2)):
        with pytest.raises(UserError, match="do not fit a distribution"):
            loss(wrong, p)
    with pytest.raises(UserError, match="one weight for each example"):
        loss(Y, p, each[None])


def test_targets_that_keras_traces_without_a_rank_are_the_same_targets():
    model = model_of(process(X[::6], event_shape=2))
    model.compile(loss=layers.VariationalLoss(len(X)))
    y = np.concatenate([Y, -Y], axis=1)
    p = tf.function(lambda x, y: layers.VariationalLoss(len(X))(y, model(x)))
    traced = p.get_concrete_function(tf.TensorSpec([None, 1]), tf.TensorSpec(None))
    np.testing.assert_allclose(traced(tf.constant(X), tf.constant(y)), p(X, y), rtol=1e-6)


@pytest.mark.exhaustive
def test_model_learns_predicts_and_is_saved(tmp_path):
    keras.utils.set_random_seed(0)
    model = model_of(process(X[::3], convert_to_tensor_fn="mean"))
    model.compile(keras.optimizers.Adam(0.05), loss=layers.VariationalLoss(len(X)))
    losses = model.fit(X, Y, batch_size=15, epochs=60, verbose=0).history["loss"]
    assert losses[-1] < 1 < losses[0]
    assert np.abs(model.predict(X, verbose=0) - np.sin(2 * X)).max() < 0.3
    assert len(model.trainable_variables) == 7
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-5)
    assert loaded.evaluate(X, Y, verbose=0) == pytest.approx(
        model.evaluate(X, Y, verbose=0), abs=1e-4
    )


def test_several_outputs_are_processes_of_their_own():
    layer = process(X[::6], event_shape=2)
    p = layer(X)
    assert p.event_shape == [30, 2]
    assert model_of(process(X[::6], event_shape=2)).output_shape == (None, 2)
    y = np.concatenate([Y, -Y], axis=1)
    assert p.variational_loss(y).shape == []
    assert p.sample(3).shape == [3, 30, 2]


def test_mistakes_are_named():
    with pytest.raises(UserError, match="event_shape takes one number"):
        process(event_shape=(2, 3))
    with pytest.raises(UserError, match="ends in VariationalGaussianProcess"):
        layers.VariationalLoss(10)(tf.ones([2, 1]), tf.ones([2, 1]))
    with pytest.raises(UserError, match="reduction takes 'sum_over_batch_size'"):
        layers.VariationalLoss(10, reduction="sum")
