"""A user's own `train_step`: it gets batches whatever `fit` was given, and keeps its own logs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.data.rows import Rows
from tfvae.runs.finite import FiniteSteps


@keras.saving.register_keras_serializable(package="test_own_step")
class Noting(tfvae.VAE):
    """Adds a log of its own, around the model's step."""

    def train_step(self, data):
        assert not isinstance(data, Rows)
        return {**super().train_step(data), "largest": tf.reduce_max(data)}


@keras.saving.register_keras_serializable(package="test_own_step")
class Alone(tfvae.VAE):
    """Does everything by itself."""

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(self(data, seed=0).likelihood.log_prob(data))
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return {"own": loss}


def make(kind=tfvae.VAE, objective=None, **options):
    keras.utils.set_random_seed(0)
    model = kind(
        tfvae.networks.Encoder(tfvae.networks.MLP([8]), tfvae.layers.IndependentNormal(2)),
        tfvae.networks.Decoder(
            tfvae.networks.MLP([8]), tfvae.layers.IndependentBernoulli((8, 8, 1))
        ),
        objective=objective,
    )
    model.build((None, 8, 8, 1))
    model.compile(keras.optimizers.SGD(0.1), **options)
    return model


def digits():
    return tfvae.data.load("digits", "train[:250]", 100, drop_remainder=False)


@pytest.mark.parametrize("options", [{}, {"steps_per_execution": 2}, {"branches": 2}], ids=str)
def test_around_the_models_step_all_works(options):
    runs = []
    for kind in (tfvae.VAE, Noting):
        model = make(kind, **options)
        runs.append((model.fit(digits(), epochs=2, verbose=0).history, model.get_weights()))
        assert model.input_path.made is not None
    (logs, weights), (own_logs, own_weights) = runs
    assert own_logs.pop("largest") == [1.0, 1.0]
    assert {k: v[:1] for k, v in own_logs.items()}.keys() == logs.keys()
    for one, other in zip(weights, own_weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("steps", [1, 2, "auto"])
def test_a_step_that_does_all_by_itself(steps):
    model = make(Alone, steps_per_execution=steps)
    before = model.get_weights()
    logs = model.fit(digits(), epochs=1, verbose=0).history
    assert np.isfinite(logs["own"]).all()
    assert int(model.step) == 3
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("options", "callbacks", "what"),
    [
        ({"branches": 2}, (), "branches=2"),
        ({}, (FiniteSteps(),), "FiniteSteps"),
        ({"objective": tfvae.objectives.FactorVAE(units=(4,))}, (), "that FactorVAE does"),
    ],
    ids=["branches", "guard", "objective"],
)
def test_what_such_a_step_would_leave_out_is_refused(options, callbacks, what):
    model = make(Alone, **options)
    before = model.get_weights()
    with pytest.raises(tfvae.UserError, match=f"{what}.*Alone.train_step does not call super"):
        model.fit(digits(), epochs=1, verbose=0, callbacks=list(callbacks))
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_on_two_replicas(mirrored):
    with mirrored.scope():
        model = make(Noting)
    logs = model.fit(digits(), epochs=1, verbose=0).history
    assert logs["largest"] == [1.0]
    assert model.input_path.made is None
    assert np.isfinite(logs["elbo"]).all()
