import glob

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
import tfvae.plots
from tfvae.errors import UserError
from tfvae.runs.panels import Panels

tfd = tfp.distributions

RNG = np.random.default_rng(0)
X = RNG.random([40, 8, 8, 1]).astype(np.float32)
IMAGES = {"reconstructions", "samples", "latent_plane", "traversals", "rates"}


class Model(keras.Model):
    """A Keras model with the methods that the panels use: z is three of the pixels."""

    def __init__(self):
        super().__init__()
        self.scale = self.add_weight(shape=(), initializer="ones")
        self.contexts = []

    def call(self, x):
        return x * self.scale

    def encode(self, x, context=None):
        self.contexts.append(context)
        return tfd.Independent(tfd.Normal(tf.convert_to_tensor(x)[:, 0, :3, 0], 0.5), 1)

    def decode(self, z, context=None):
        self.contexts.append(context)
        x = tf.tile(tf.reduce_mean(z, -1)[:, None, None, None], [1, 8, 8, 1])
        return tfd.Independent(tfd.Normal(x, 1.0), 3)

    def prior(self, context=None):
        return tfd.Independent(tfd.Normal(tf.zeros(3), 1.0), 1)

    def reconstruct(self, x, context=None, *, seed=None):
        return self.decode(self.encode(x, context).mean(), context).mean()

    def sample(self, n, seed=None, mean=False, context=None):
        return self.decode(self.prior().sample(n, seed=(seed, 0)), context).mean()


@pytest.fixture
def model():
    model = Model()
    model.compile(optimizer="sgd", loss="mse")
    return model


def read(log_dir):
    """Tag to step to tensor, of all event files."""
    found = {}
    for path in sorted(glob.glob(f"{log_dir}/events*")):
        for record in tf.data.TFRecordDataset(path):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = tf.make_ndarray(value.tensor)
    return found


def fit(model, panels, epochs):
    return model.fit(X, X, epochs=epochs, batch_size=20, verbose=0, callbacks=[panels])


def test_all_panels_are_written_for_the_epochs_asked_for(tmp_path, model):
    fit(model, Panels(tmp_path / "logs", X, np.arange(40) % 3, every=2, samples=9), epochs=3)
    found = read(tmp_path / "logs")
    assert set(found) == IMAGES | {"rate_per_dimension"}
    assert all(set(steps) == {0, 2} for steps in found.values())
    figure = tfvae.plots.samples(model, 9)
    drawn = tf.image.decode_png(found["samples"][2][2]).numpy()
    np.testing.assert_array_equal(drawn, tfvae.plots.to_image(figure))


def test_the_histogram_holds_every_dimensions_rate(tmp_path, model):
    fit(model, Panels(tmp_path, X), epochs=1)
    buckets = read(tmp_path)["rate_per_dimension"][0]
    rates = np.mean(tfd.kl_divergence(model.encode(X).distribution, tfd.Normal(0.0, 1.0)), 0)
    assert buckets[:, 2].sum() == len(rates) == 3
    np.testing.assert_allclose([buckets[0, 0], buckets[-1, 1]], [rates.min(), rates.max()], 1e-5)


def test_a_picture_that_fails_stops_nothing_and_is_told_once(tmp_path, model, monkeypatch):
    told = []
    monkeypatch.setattr("absl.logging.warning", lambda *words: told.append(words[0] % words[1:]))
    model.reconstruct = lambda x, seed: 1 / 0
    history = fit(model, Panels(tmp_path, X), epochs=2)
    assert len(history.history["loss"]) == 2
    assert set(read(tmp_path)) == IMAGES - {"reconstructions"} | {"rate_per_dimension"}
    assert told == ["TensorBoard has no panel 'reconstructions': division by zero"]


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path, model):
    (tmp_path / "logs").write_text("a file is here")
    assert len(fit(model, Panels(tmp_path / "logs", X), epochs=2).history["loss"]) == 2


def test_training_is_the_same_with_and_without(tmp_path):
    def weights(callbacks):
        keras.utils.set_random_seed(0)
        trunk = keras.Sequential([keras.layers.Flatten(), keras.layers.Dropout(0.5)])
        vae = tfvae.VAE(
            encoder=tfvae.networks.Encoder(trunk, tfvae.layers.IndependentNormal(3)),
            decoder=tfvae.networks.Decoder(
                tfvae.networks.MLP([8]), tfvae.layers.IndependentNormal((8, 8, 1))
            ),
        )
        vae.compile(optimizer="sgd")
        vae.fit(X, epochs=2, batch_size=20, verbose=0, callbacks=callbacks)
        return vae.get_weights()

    for plain, drawn in zip(weights([]), weights([Panels(tmp_path, X)]), strict=True):
        np.testing.assert_array_equal(plain, drawn)
    assert set(read(tmp_path)) == IMAGES | {"rate_per_dimension"}


def test_the_context_goes_along(tmp_path, model):
    context = np.arange(40)
    fit(model, Panels(tmp_path, X, context=context, samples=5), epochs=1)
    assert set(read(tmp_path)) == IMAGES | {"rate_per_dimension"}
    assert all(part is not None for part in model.contexts)
    assert any(np.array_equal(part, context[:5]) for part in model.contexts)


def test_what_cannot_be_right_is_refused_before_training(tmp_path):
    with pytest.raises(UserError, match="labels has 3 entries and x has 40"):
        Panels(tmp_path, X, [0, 1, 2])
    with pytest.raises(UserError, match="every=0"):
        Panels(tmp_path, X, every=0)
