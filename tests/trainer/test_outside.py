"""Data outside of the likelihood's support are found wherever they lie, issue 11.9."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import layers, networks
from tfvae.metrics import OutsideCount


def model(head, **kwargs):
    vae = tfvae.VAE(
        networks.Encoder(networks.MLP([4]), layers.IndependentNormal(2)),
        networks.Decoder(networks.MLP([4]), head),
    )
    vae.compile(keras.optimizers.Adam(1e-3), **kwargs)
    return vae


@pytest.fixture
def data():
    return (np.random.default_rng(0).uniform(size=(50, 3)) < 0.5).astype("float32")


def batches(x):
    return tf.data.Dataset.from_tensor_slices(x).batch(10)


@pytest.mark.parametrize(("value", "branches"), [(0.5, 1), (-1, 2), (np.nan, 1)])
def test_every_batch_of_fit_and_evaluate_is_looked_at(data, value, branches):
    vae = model(layers.IndependentBernoulli(3), branches=branches)
    bad = data.copy()
    bad[[37, 38, 45], 1] = value
    match = "3 examples of the data hold values .* the first in batch 4; it takes 0 and 1 alone"
    for run in (
        lambda: vae.fit(batches(bad), epochs=2, verbose=0),
        lambda: vae.evaluate(batches(bad), verbose=0),
        lambda: vae.evaluate(bad, batch_size=10, verbose=0),
        lambda: vae.fit(batches(data), validation_data=batches(bad), verbose=0),
    ):
        with pytest.raises(tfvae.UserError, match=match):
            run()
    # What was refused once does not stick.
    if np.isfinite(value):
        assert np.isfinite(vae.fit(batches(data), verbose=0).history["elbo"][0])
        assert "outside" not in vae.evaluate(batches(data), verbose=0, return_dict=True)


@pytest.mark.parametrize("head", [layers.IndependentBernoulli, layers.DiscretizedLogistic])
def test_values_without_a_density_are_refused_where_a_number_is_asked_for(data, head):
    vae = model(head(3))
    vae.build((None, 3))
    bad = data.copy()
    bad[27, 1] = 3.5
    for ask in (vae.elbo, vae.log_prob, lambda x: vae.evaluate(x, batch_size=50, verbose=0)):
        with pytest.raises(tfvae.UserError, match=r"the data hold 3\.5 .* in 1 of the "):
            ask(bad)
    with pytest.raises(tfvae.UserError, match=r"hold 3\.5"):
        tfvae.evaluation.evaluate_likelihood(vae, batches(bad), samples=1)


def test_sample_weights_of_another_number_are_refused(data):
    vae = model(layers.IndependentBernoulli(3))
    with pytest.raises(tfvae.UserError, match="there are 1 sample weights for 50 examples"):
        vae.train_on_batch(data, np.zeros([50, 0]), np.ones([1]))


def test_the_count_starts_anew():
    count = OutsideCount()
    for examples in (0, 0, 2, 0, 1):
        count.update_state(examples)
    assert count.read() == (3, 3)
    assert count.result() == {}
    count.reset_state()
    assert count.read() == (0, 1)
