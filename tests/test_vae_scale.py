"""The encoder gets levels and counts on a scale of its own, data stay in their units."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import layers, networks

X = np.random.default_rng(0).integers(0, 256, size=(1, 6)) + np.random.default_rng(1).integers(
    -40, 40, size=(200, 1)
)
X = np.clip(X, 0, 255).astype("float32")
HEADS = {
    "logistic": lambda: layers.DiscretizedLogistic(6),
    "categorical": lambda: layers.IndependentCategorical(6),
}


def model(head, *first, **kwargs):
    """A user's own plain encoder."""
    keras.utils.set_random_seed(0)
    stack = [keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(4)]
    encoder = keras.Sequential([keras.Input((6,)), *first, *stack, layers.IndependentNormal(2)])
    decoder = networks.Decoder(networks.MLP([8]), head)
    vae = tfvae.VAE(encoder, decoder, **kwargs)
    vae.compile(keras.optimizers.Adam(1e-2))
    return vae


def trained(vae):
    vae.fit(X, batch_size=50, epochs=3, shuffle=False, verbose=0)
    return vae.elbo(X, seed=1).numpy()


@pytest.mark.parametrize("head", HEADS)
def test_a_plain_encoder_learns_from_levels_what_a_rescaled_one_does(head):
    """Issue 11.14: ELBO -1734 against -1003."""
    own = trained(model(HEADS[head]()))
    by_hand = keras.layers.Rescaling(2 / 255, offset=-1.0)
    np.testing.assert_allclose(own, trained(model(HEADS[head](), by_hand)), rtol=1e-3)
    raw = trained(model(HEADS[head](), scale_inputs=False))
    assert np.abs(own - raw).max() > 0.1


def test_what_the_encoder_sees_is_saved_with_the_model(tmp_path):
    for scale, expected in [(None, 2 * X / 255 - 1), (False, X)]:
        vae = model(HEADS["logistic"](), scale_inputs=scale)
        mean = vae.encode(X).mean()  # of a model that has no weights yet
        np.testing.assert_allclose(mean, vae.encoder(expected).mean(), rtol=1e-4, atol=1e-6)
        vae.save(tmp_path / "m.keras")
        again = tfvae.load(tmp_path / "m.keras")
        np.testing.assert_allclose(again.encode(X).mean(), mean, atol=1e-6)
    # A model that was saved before the encoder's inputs were scaled is loaded as it was trained.
    config = model(HEADS["logistic"]()).get_config()
    assert tfvae.VAE.from_config(config).scale_inputs is None
    del config["scale_inputs"]
    assert tfvae.VAE.from_config(config).scale_inputs is False


def test_counts_are_seen_as_logarithms_and_a_word_is_kept():
    counts = np.float32([[0, 1, 10, 100, 1000, 5]])
    vae = model(layers.IndependentPoisson(6))
    expected = vae.encoder(np.log1p(counts)).mean()
    np.testing.assert_allclose(vae.encode(counts).mean(), expected, rtol=1e-5)
    vae = model(HEADS["logistic"](), keras.layers.Normalization(mean=128.0, variance=5e3))
    np.testing.assert_allclose(vae.encode(X).mean(), vae.encoder(X).mean(), rtol=1e-5)
    with pytest.raises(tfvae.UserError, match="scale_inputs takes True, False or None"):
        model(HEADS["logistic"](), scale_inputs="auto")


def test_pseudo_inputs_are_in_the_units_of_the_data():
    prior = tfvae.priors.VampPrior(3, low=0.0, high=255.0)
    vae = model(HEADS["logistic"](), prior=prior)
    vae.build((None, 6))
    u = vae.prior.inputs()
    assert float(tf.reduce_max(u)) > 100
    expected = vae.encoder(2 * u / 255 - 1).mean()
    components = vae.prior().components_distribution
    np.testing.assert_allclose(components.mean(), expected, rtol=1e-4, atol=1e-6)
