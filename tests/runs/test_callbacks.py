import signal
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae.runs.callbacks import Clock, EpochOfData
from tfvae.runs.signals import Interrupted, StopOnSignal


def fit(vae, made, *, steps=5, spe=1, epochs=1, initial_epoch=0):
    """Trains on `steps` batches of four."""
    x = (np.random.default_rng(0).random((4 * steps, 3, 2, 1)) < 0.4).astype(np.float32)
    vae.compile("adam", steps_per_execution=spe, run_eagerly=spe == 1)
    vae.fit(
        tf.data.Dataset.from_tensor_slices(x).batch(4),
        epochs=epochs, initial_epoch=initial_epoch, callbacks=made, verbose=0,
    )  # fmt: skip


@pytest.mark.parametrize("spe", [1, 2, 3, 5, 8])
def test_batches_are_counted_whatever_the_steps_in_a_call(spe, make_vae):
    epoch = tf.Variable(-1, dtype=tf.int64)
    counter, clock, seen = EpochOfData(epoch, 5), Clock(4), []

    class Seen(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append((int(epoch.numpy()), counter.batches))

    vae = make_vae()
    fit(vae, [counter, clock, Seen()], spe=spe, epochs=4, initial_epoch=2)
    ends = sorted({min(n, 5) for n in range(spe, 5 + spe, spe)})
    assert seen == [(e, 5 * e + n) for e in (2, 3) for n in ends]
    assert int(vae.optimizer.iterations) == 10
    assert clock.images_per_second == pytest.approx(20 / clock.seconds)


def test_the_rest_of_an_epoch_goes_on_with_its_metrics(make_vae):
    vae = make_vae()
    counter = EpochOfData(tf.Variable(0, dtype=tf.int64), 7)
    vae.build((None, 3, 2, 1))
    vae.compile("adam")
    start = {"totals": 800.0, "counts": 8.0}
    values = [np.full(v.shape, start.get(v.name, 0.0)) for v in vae.metrics_variables]
    counter.go_on_within_epoch(2, values)
    history = keras.callbacks.History()
    fit(vae, [counter, history], steps=5, epochs=2, initial_epoch=1)
    assert counter.batches == 14
    # 8 examples with a mean of 100 and 20 that the model has been trained on.
    rest = history.history["loss"][0] * 28 / 20 - 800 / 20
    assert 0 < rest < 10
    # And the next epoch is its own.
    fit(vae, [counter, history], steps=5, epochs=1)
    assert history.history["loss"][1] < 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_between_batches_and_never_before_a_validation(number):
    stop = StopOnSignal()
    stop.set_params({"steps": 5})
    before = signal.getsignal(number)
    with stop.listening(), stop.fitting():
        stop.on_train_batch_end(0)
        stop.on_epoch_end(0)
        signal.raise_signal(number)
        stop.on_train_batch_end(4)
        stop.on_train_batch_end(7)  # several steps in a call: counted beyond the epoch
        with pytest.raises(Interrupted) as stopped:
            stop.on_train_batch_end(3)
        assert stopped.value.signal == number
        with pytest.raises(Interrupted):
            stop.on_epoch_end(0)
        signal.raise_signal(signal.SIGTERM)  # a scheduler may send it again: the save goes on
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(number) is before


def test_outside_of_fit_a_signal_stops_at_once():
    with pytest.raises(Interrupted), StopOnSignal().listening():
        signal.raise_signal(signal.SIGTERM)


def test_no_signals_are_taken_outside_the_main_thread():
    errors = []

    def work():
        try:
            with StopOnSignal().listening():
                pass
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert errors == []
