"""What is handed to Keras's `fit`, `evaluate` and `predict`."""

import threading
import time

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
