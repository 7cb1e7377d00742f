"""Gradients that are accumulated over several batches: noise of their own, one clock for all."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.objectives import ELBO, FactorVAE
from tfvae.runs.finite import FiniteSteps
from tfvae.schedules import Linear


def sgd(batches, rate=0.1):
    return keras.optimizers.SGD(rate, gradient_accumulation_steps=batches)


class Updates(keras.callbacks.Callback):
    """Notes how far a weight moves at each update."""

    def __init__(self, every):
        super().__init__()
        self.every, self.found = every, []

    def on_train_begin(self, logs=None):
        self.last = self.model.encoder.projection.kernel.numpy()

    def on_train_batch_end(self, batch, logs=None):
        if (batch + 1) % self.every == 0:
            now = self.model.encoder.projection.kernel.numpy()
            self.found.append(now - self.last)
            self.last = now


def test_the_noise_of_the_batches_of_an_update_is_independent(make_vae, binary):
    """Of 5 x 2 alike examples the variance of an update is a fifth of that of 2."""
    variance = {}
    for batches in (None, 5):
        vae = make_vae(built=True)
        vae.compile(sgd(batches, 1e-5))  # the weights stay all but where they are
        updates = Updates(batches or 1)
        data = tf.data.Dataset.from_tensors(np.repeat(binary[:1], 2, axis=0))
        vae.fit(data.repeat(250 * (batches or 1)), verbose=0, callbacks=[updates])
        assert len(updates.found) == 250
        variance[batches] = np.var(updates.found, axis=0).sum()
    # The standard error of each variance is at most √(2 / 250) of it.
    assert variance[5] / variance[None] == pytest.approx(0.2, abs=0.06)


def test_a_run_resumed_within_an_update_is_the_uninterrupted_one(
    make_vae, binary, tmp_path, assert_same_weights
):
    def train(vae, batches):
        data = tf.data.Dataset.from_tensors(binary[:8])
        vae.fit(data.repeat(batches), verbose=0)
        return vae

    def begin():
        keras.utils.set_random_seed(5)  # of the discriminator's weights
        vae = make_vae(objective=FactorVAE(Linear(0.0, 4.0, 3), units=(4,)), seed=2)
        vae.compile(sgd(2))
        return vae

    whole, half = train(begin(), 6), train(begin(), 3)
    half.save(tmp_path / "half.keras")
    resumed = train(tfvae.load(tmp_path / "half.keras"), 3)
    assert_same_weights(whole, resumed)
    for vae in (whole, resumed):
        assert int(vae.step) == int(vae.objective.optimizer.iterations) == 3


def test_schedules_follow_the_updates(make_vae, binary):
    vae = make_vae(objective=ELBO(Linear(0.0, 1.0, 4)))
    vae.compile(sgd(2))
    vae.fit(tf.data.Dataset.from_tensors(binary).repeat(5), verbose=0)
    assert int(vae.step) == 2
    assert float(vae.get_metrics_result()["beta"]) == 0.5


def test_the_discriminator_takes_as_many_steps_as_the_model(make_vae, binary):
    vae = make_vae(objective=FactorVAE(units=(4,)))
    vae.compile(sgd(4))
    vae.fit(tf.data.Dataset.from_tensors(binary).repeat(8), verbose=0)
    assert int(vae.objective.optimizer.iterations) == int(vae.step) == 2
    vae.compile(sgd(None))
    vae.fit(tf.data.Dataset.from_tensors(binary).repeat(3), verbose=0)
    assert int(vae.objective.optimizer.iterations) == int(vae.step) == 3
    own = keras.optimizers.Adam(1e-3, gradient_accumulation_steps=2)
    vae = make_vae(objective=FactorVAE(units=(4,), optimizer=own))
    vae.compile(sgd(4))
    vae.fit(tf.data.Dataset.from_tensors(binary).repeat(8), verbose=0)
    assert int(vae.objective.optimizer.iterations) == 4


def test_a_batch_that_is_skipped_adds_nothing_to_its_update(make_vae, binary, assert_same_weights):
    """As if its examples had no weight; the batches and the updates go on being counted."""
    broken = binary[:20].copy()
    broken[7] = np.nan  # in the second batch of four
    weights = np.repeat([1.0, 0.0, 1.0, 1.0], 5).astype(np.float32)
    weighted = (binary[:20], np.zeros([20, 0], np.float32), weights)
    runs = []
    for data, callbacks in [(broken, [FiniteSteps("skip")]), (weighted, [])]:
        vae = make_vae()
        vae.compile(sgd(2))
        batches = tf.data.Dataset.from_tensor_slices(data).batch(5)
        vae.fit(batches, verbose=0, callbacks=callbacks)
        assert int(vae.step) == 2
        runs.append(vae)
    assert_same_weights(*runs, rtol=1e-6, atol=1e-7)
