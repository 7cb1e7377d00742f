"""Batches that the step makes by itself: the same bits as those of the data set."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.data.rows import Rows, rows_of


def vae(**options):
    keras.utils.set_random_seed(0)
    model = tfvae.VAE(
        tfvae.networks.Encoder(tfvae.networks.MLP([8]), tfvae.layers.IndependentNormal(2)),
        tfvae.networks.Decoder(
            tfvae.networks.MLP([8]), tfvae.layers.IndependentBernoulli((8, 8, 1))
        ),
    )
    model.compile(keras.optimizers.Adam(1e-2), **options)
    return model


def digits(**options):
    epoch = tf.Variable(0, dtype=tf.int64)
    return tfvae.data.load(
        "digits", "train[:250]", 100, drop_remainder=False, epoch=epoch, **options
    )


@pytest.mark.parametrize("binarization", ["dynamic", "static", "none"])
def test_the_batch_is_the_one_of_the_data_set(binarization):
    data = digits(binarization=binarization, labels=True)
    made = rows_of(data)
    step = tf.function(made.batch)
    for batch, rows in zip(data, made.rows, strict=True):
        assert isinstance(rows, Rows)
        for one, other in zip(batch, step(rows), strict=True):
            np.testing.assert_array_equal(one, other)


def test_weights_and_logs_are_those_of_the_data_set():
    runs = []
    for change in (lambda data: data, lambda data: data.map(lambda x: x)):
        data, model = change(digits()), vae()
        logs = model.fit(data, epochs=2, verbose=0).history
        runs.append((model.get_weights(), logs, model.input_path.made))
    (weights, logs, made), (others, other_logs, nothing) = runs
    assert made is not None
    assert nothing is None
    assert logs == other_logs
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.exhaustive
def test_after_one_data_set_another_one_an_array_and_a_batch():
    model, x = vae(), next(iter(digits()))
    model.fit(digits(), epochs=1, verbose=0)
    model.fit(digits(binarization="static"), epochs=1, verbose=0)
    model.fit(x.numpy(), epochs=1, verbose=0)
    assert np.isfinite(model.train_on_batch(x, return_dict=True)["loss"])


@pytest.mark.exhaustive
def test_under_xla_the_batch_is_the_same():
    """Batches are made outside of what XLA compiles, where random numbers would be others."""
    data, model = digits(), vae(jit_compile=True)
    step = model.train_step

    def noting(batch):
        return {**step(batch), "sum": tf.reduce_sum(batch)}

    model.train_step = noting
    logs = model.fit(data, epochs=1, verbose=0).history
    assert model.input_path.made is not None
    *_, last = tfvae.data.load(
        "digits", "train[:250]", 100, drop_remainder=False, epoch=tf.Variable(0, dtype=tf.int64)
    )
    assert logs["sum"] == [float(tf.reduce_sum(last))]


@pytest.mark.exhaustive
def test_a_data_set_that_fit_has_seen_is_not_looked_at_again():
    data, model, looks = digits(), vae(), []
    check = model.check
    model.check = lambda batch: looks.append(1) or check(batch)
    for _ in range(2):
        model.fit(data, validation_data=data, epochs=1, verbose=0)
    assert len(looks) == 1
    model.fit(digits(), epochs=1, verbose=0)
    assert len(looks) == 2


def test_data_that_cost_the_pipeline_a_lot_stay_there():
    assert rows_of(tfvae.data.load("sprites", "train[:64]", 32)) is None
    assert rows_of(np.zeros(3)) is None
