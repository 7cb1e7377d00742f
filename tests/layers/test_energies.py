"""Energies in the place of a likelihood: their values, and that nobody takes them for one."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import layers, objectives, recipes
from tfvae.evaluation import evaluate_likelihood
from tfvae.layers.structural_similarity import ms_ssim
from tfvae.runs.report import table_lines
from tfvae.trainer.progress import line_of


def test_of_large_images_it_is_that_of_tensorflow():
    rng = np.random.default_rng(0)
    x = rng.random((2, 176, 192, 3)).astype("float32")
    y = np.clip(x + 0.3 * rng.normal(size=x.shape), 0, 1).astype("float32")
    expected = tf.image.ssim_multiscale(x, y, 1.0)
    np.testing.assert_allclose(ms_ssim(tf.constant(x), tf.constant(y)), expected, rtol=2e-4)


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (7, 5, 3), (2, 3, 1)])
def test_it_is_one_of_equal_images_and_has_a_slope_where_they_are_opposed(shape):
    x = tf.random.stateless_uniform([3, *shape], (0, 1))
    np.testing.assert_allclose(ms_ssim(x, x), 1.0, rtol=1e-4)
    opposed = 1 - x  # of negative covariance, the powers of which have no value
    with tf.GradientTape() as tape:
        tape.watch(opposed)
        value = ms_ssim(x, opposed)
    gradient = tape.gradient(value, opposed)
    assert (value.numpy() > 0).all()
    assert (value.numpy() < 0.3).all()
    assert np.isfinite(gradient).all()
    assert (np.abs(gradient).max(axis=(1, 2, 3)) > 0).all()


def test_features_come_from_a_file_and_are_saved_with_the_layer(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3)])
    model.save(tmp_path / "features.keras")
    head = layers.PerceptualDistance((8, 8, 1), features=str(tmp_path / "features.keras"))
    assert not head.trainable_weights
    params, x = tf.random.normal([3, 64]), tf.random.uniform([3, 8, 8, 1])
    value = head(params).log_prob(x)
    difference = model(x) - model(tf.sigmoid(tf.reshape(params, x.shape)))
    expected = -500.0 * tf.reduce_mean(difference**2, axis=[1, 2, 3])
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(head)))
    assert str(tmp_path) not in json.dumps(config)
    again = keras.saving.deserialize_keras_object(config)
    again.set_weights(head.get_weights())
    np.testing.assert_allclose(again(params).log_prob(x), value, rtol=1e-5)


def test_the_network_that_is_taken_by_itself_is_always_the_same():
    a, b = (layers.PerceptualDistance((8, 8, 1)) for _ in range(2))
    for first, second in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    keras.config.set_dtype_policy("mixed_float16")
    value = layers.PerceptualDistance((8, 8, 1))(tf.zeros([2, 64])).log_prob(tf.ones([2, 8, 8, 1]))
    assert value.dtype == tf.float32


@pytest.fixture
def vae():
    return recipes.msssim_vae((8, 8, 1), 2, hidden=(8,))


@pytest.fixture
def x():
    return np.random.default_rng(0).random((12, 8, 8, 1)).astype("float32")


def test_no_log_gives_nats_or_bits_of_x(vae, x):
    vae.compile("adam", run_eagerly=True)
    logs = vae.fit(x, validation_data=x[:4], batch_size=6, verbose=0).history
    names = {"loss", "energy", "rate", "beta"}
    assert set(logs) == names | {f"val_{name}" for name in names}
    np.testing.assert_allclose(logs["loss"][0], logs["energy"][0] + logs["rate"][0], rtol=1e-5)
    line = line_of("1/1", {k: v[0] for k, v in logs.items()}, 1.0, None, columns=None)
    assert "energy" in line
    assert "elbo" not in line


def test_what_needs_a_density_is_refused_with_the_reason(vae, x):
    for ask in (vae.elbo, vae.log_prob):
        with pytest.raises(tfvae.UserError, match="an energy, which is no density of x"):
            ask(x)
    vae = recipes.msssim_vae((8, 8, 1), 2, hidden=(8,), objective=objectives.IWAE(3))
    vae.compile("adam", run_eagerly=True)
    with pytest.raises(tfvae.UserError, match=r"IWAE weighs draws .* the likelihood is an energy"):
        vae.fit(x, verbose=0)


def test_the_table_has_energy_and_rate_alone(vae, x):
    table = evaluate_likelihood(vae, tf.data.Dataset.from_tensor_slices(x).batch(5))
    assert vae.log_prob_kind == table["log_prob_kind"] == "none"
    assert not {"elbo", "log_prob", "gap", "bits_per_dim"} & set(table)
    energies = -vae(x[:5], seed=tfvae.distribute.fold_in((0, 0), 0)).likelihood.log_prob(x[:5])
    assert energies.shape == [5]
    assert table["energy"] > 0
    assert table["energy_se"] > 0
    lines = "\n".join(table_lines(table))
    assert "none: the likelihood is an energy" in lines
    assert "nats" not in lines.replace("test rate", "").split("log p(x)")[0].splitlines()[0]
    assert "bits" not in lines


def test_draws_are_the_mean(vae, x):
    vae(x)
    np.testing.assert_array_equal(vae.sample(3, seed=1), vae.sample(3, seed=1, mean=True))
    assert vae(x, samples=3).likelihood.log_prob(x).shape == (3, 12)


def test_what_they_do_not_take_is_refused(tmp_path):
    with pytest.raises(tfvae.UserError, match=r"takes images of shape \(height, width, channels\)"):
        layers.MultiScaleSSIM((8, 8))
    with pytest.raises(tfvae.UserError, match="weight takes a number above 0"):
        layers.MultiScaleSSIM((8, 8, 1), weight=0)
    with pytest.raises(tfvae.UserError, match=r"there is no file 'no\.keras'"):
        layers.PerceptualDistance((8, 8, 1), features="no.keras")
    (tmp_path / "bad.keras").write_bytes(b"zip?")
    with pytest.raises(tfvae.UserError, match="cannot be loaded as a Keras model"):
        layers.PerceptualDistance((8, 8, 1), features=str(tmp_path / "bad.keras"))
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten()])
    with pytest.raises(tfvae.UserError, match=r"does not take images of shape \(8, 8, 1\)"):
        layers.PerceptualDistance((8, 8, 1), features=model)
