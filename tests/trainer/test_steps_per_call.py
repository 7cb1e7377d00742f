"""How many steps one call takes: divisors of the epoch, one where a callback looks at batches."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae.trainer.steps_per_call import batches_done, batches_in, steps_per_call


class Watcher(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.batches = []

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append(batch)


class EpochWatcher(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        pass


@pytest.mark.parametrize(
    ("batches", "steps"), [(600, 30), (11, 11), (3, 3), (467, 16), (None, 16), (1, 1), (64, 32)]
)
def test_steps_divide_the_epoch_where_they_can(batches, steps):
    assert steps_per_call(batches) == steps


@pytest.mark.parametrize(
    ("callback", "alone"),
    [
        (Watcher(), True),
        (EpochWatcher(), False),
        (keras.callbacks.LambdaCallback(on_train_batch_end=print), True),
        (keras.callbacks.LambdaCallback(on_epoch_end=print), False),
        (keras.callbacks.ModelCheckpoint("m.keras"), False),
        (keras.callbacks.ModelCheckpoint("m.keras", save_freq=5), True),
        (keras.callbacks.TensorBoard("logs", update_freq="batch"), True),
        (keras.callbacks.TensorBoard("logs"), False),
        (keras.callbacks.TerminateOnNaN(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_callback_that_looks_at_batches_sees_each(callback, alone):
    assert (steps_per_call(100, callback) == 1) == alone
    assert (steps_per_call(100, [EpochWatcher(), callback]) == 1) == alone


def test_batches_are_counted():
    data = tf.data.Dataset.range(10)
    assert batches_in(data.batch(3)) == 4
    assert batches_in(data.repeat().batch(3)) is None
    assert batches_in(data.repeat().batch(3), steps_per_epoch=7) == 7
    assert batches_in(np.zeros((70, 2))) == 3
    assert batches_in(np.zeros((70, 2)), batch_size=10) == 7
    assert batches_in(iter([])) is None
    assert [batches_done(15, 11), batches_done(9, 11), batches_done(15, None)] == [11, 10, 16]


def _fitted(make_vae, data, **kwargs):
    vae = make_vae()
    vae.compile(keras.optimizers.Adam(1e-2), **kwargs)
    return vae, vae.fit(data, epochs=2, verbose=0)


def test_the_pace_changes_no_weight_and_no_log(make_vae, binary):
    data = tf.data.Dataset.from_tensor_slices(binary).batch(4)
    one, log_one = _fitted(make_vae, data, steps_per_execution=1)
    auto, log_auto = _fitted(make_vae, data)
    assert auto.steps_per_execution > 1
    for a, b in zip(one.get_weights(), auto.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for name, values in log_one.history.items():
        np.testing.assert_allclose(values, log_auto.history[name], rtol=1e-4)


def test_a_watcher_sees_all(make_vae, binary):
    data = tf.data.Dataset.from_tensor_slices(binary[:17]).batch(1)
    vae = make_vae()
    vae.compile()
    vae.fit(data, epochs=1, verbose=0)
    watcher = Watcher()
    vae.fit(data, epochs=1, verbose=0, callbacks=watcher)
    assert watcher.batches == list(range(17))


def test_auto_is_saved(make_vae, binary, tmp_path):
    import tfvae

    vae = make_vae()
    vae.compile("sgd")
    vae.fit(binary, epochs=1, verbose=0)
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras")
    assert same.get_compile_config() == vae.get_compile_config()
    assert same.get_compile_config()["steps_per_execution"] == "auto"
    assert int(same.optimizer.iterations) == int(vae.optimizer.iterations)
