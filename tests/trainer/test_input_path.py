"""What is handed to Keras's `fit`, `evaluate` and `predict`."""

import threading
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.data.parallelism import threads
from tfvae.trainer.input_path import InputPath


def tuned(data, enabled):
    options = tf.data.Options()
    options.autotune.enabled = enabled
    return data.with_options(options)


@pytest.fixture
def path():
    return InputPath(tf.distribute.get_strategy())


def test_no_thread_tunes_what_the_user_hands_over(path):
    """Dropping an iterator joins that thread, whose wake-up is sometimes lost for seconds."""
    data = tf.data.Dataset.range(7).map(lambda i: i + 1, tf.data.AUTOTUNE).prefetch(-1)
    for handed in (path.shared(data), path.training(data)):
        assert handed.options().autotune.enabled is False
        assert list(handed.as_numpy_iterator()) == [1, 2, 3, 4, 5, 6, 7]
        assert int(handed.cardinality()) == 7
    rows = path.training(tfvae.data.load("digits", "train[:64]", 32))
    assert rows.options().autotune.enabled is False
    assert path.made is not None


def test_who_asks_for_tuning_gets_it(path):
    data = tuned(tf.data.Dataset.range(7), True)
    assert path.shared(data) is data or path.shared(data).options().autotune.enabled is True


def test_what_is_no_data_set_is_left_alone(path):
    for data in (None, np.zeros(3), iter([])):
        assert path.shared(data) is data
        assert path.training(data) is data


@pytest.mark.skipif(threads() < 2, reason="one core")
def test_without_tuning_a_parallel_map_stays_parallel(path):
    now, most, lock = [0], [0], threading.Lock()

    def slow(i):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        return i

    data = tf.data.Dataset.range(20).map(
        lambda i: tf.py_function(slow, [i], tf.int64), num_parallel_calls=tf.data.AUTOTUNE
    )
    assert sum(1 for _ in path.shared(data)) == 20
    assert most[0] >= 2


class Recorder(keras.Model):
    """Notes what it is trained on."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def train_step(self, data):
        self.seen.append([np.asarray(part) for part in keras.tree.flatten(data)])
        return {"loss": 0.0}


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_arrays_come_in_the_batches_and_the_order_of_keras(path, shuffle):
    x, y, weights = np.arange(11.0), np.arange(22.0).reshape([11, 2]), np.linspace(0, 1, 11)
    seen = []
    for ours in (False, True):
        keras.utils.set_random_seed(7)
        model = Recorder()
        model.compile("sgd", run_eagerly=True)
        if ours:
            data, *rest = path.arrays(x, y, weights, batch_size=4, shuffle=shuffle)
            assert rest == [None, None, None]
            assert data.options().autotune.enabled is False
            assert int(data.cardinality()) == 3
            model.fit(data, epochs=2, shuffle=False, verbose=0)
        else:
            model.fit(x, y, 4, sample_weight=weights, epochs=2, shuffle=shuffle, verbose=0)
        seen.append(model.seen)
    assert [len(batch[0]) for batch in seen[0]] == [4, 4, 3] * 2
    for one, other in zip(*seen, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_no_thread_tunes_the_arrays_of_fit(make_vae, binary, monkeypatch):
    handed = {}

    def note(name):
        def call(self, x, *args, **kwargs):
            handed[name] = x
            if "validation_data" in kwargs:
                handed["validation"] = kwargs["validation_data"]
            return {}

        monkeypatch.setattr(keras.Model, name, call)

    vae = make_vae()
    vae.compile("adam")
    for name in ("fit", "evaluate", "predict"):
        note(name)
    weights = np.ones(40, np.float32)
    for call, sizes in [
        (lambda: vae.fit(binary, batch_size=16), {"fit": [16, 16, 8]}),
        (
            lambda: vae.fit(tf.constant(binary), sample_weight=weights, validation_split=0.25),
            {"fit": [30], "validation": [10]},
        ),
        (
            lambda: vae.fit(binary, validation_data=(binary[:6],), validation_batch_size=4),
            {"fit": [32, 8], "validation": [4, 2]},
        ),
        (
            lambda: vae.fit(binary, batch_size=20, validation_data=binary[:30]),
            {"fit": [20, 20], "validation": [20, 10]},
        ),
        (lambda: vae.evaluate(binary, batch_size=25), {"evaluate": [25, 15]}),
        (lambda: vae.predict(binary, batch_size=25), {"predict": [25, 15]}),
    ]:
        handed.clear()
        call()
        for name, expected in sizes.items():
            data = handed[name]
            assert data.options().autotune.enabled is False
            batches = [keras.tree.flatten(batch)[0] for batch in data]
            assert [len(batch) for batch in batches] == expected, name
    held_out = np.concatenate(list(handed["predict"]))
    np.testing.assert_array_equal(held_out, binary)
