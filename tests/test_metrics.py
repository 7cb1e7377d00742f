import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae.metrics import TermMeans


def test_means_over_batches_of_different_sizes():
    means = TermMeans(["loss", "rate"])
    means.update_state({"loss": 10.0, "rate": 1.0}, {"loss": 4.0, "rate": 2.0})
    means.update_state({"loss": 1.0, "rate": 3.0}, {"loss": 1.0, "rate": 6.0})
    result = {name: float(value) for name, value in means.result().items()}
    assert result == {"loss": pytest.approx(2.2), "rate": 0.5}
    assert list(result) == ["loss", "rate"]


def test_terms_beyond_the_names_are_left_out():
    means = TermMeans(["loss"])
    means.update_state({"other": 5.0, "loss": 1.0}, {"loss": 1.0, "other": 1.0})
    assert list(means.result()) == ["loss"]


def test_reset():
    means = TermMeans(["loss"])
    means.update_state({"loss": 10.0}, {"loss": 4.0})
    means.reset_state()
    assert float(means.result()["loss"]) == 0.0
    means.update_state({"loss": 6.0}, {"loss": 2.0})
    assert float(means.result()["loss"]) == 3.0


def test_nothing_before_the_names_are_known():
    means = TermMeans()
    assert means.result() == {}
    means.reset_state()
    means.build(["loss"])
    assert list(means.result()) == ["loss"]


def test_config_round_trip():
    config = keras.saving.serialize_keras_object(TermMeans(["a", "b"]))
    assert keras.saving.deserialize_keras_object(config).names == ["a", "b"]


def test_half_precision_terms_are_summed_in_float32():
    means = TermMeans(["loss"])
    for _ in range(3):
        means.update_state({"loss": tf.constant(30_000.0, tf.float16)}, {"loss": 1.0})
    assert float(means.result()["loss"]) == pytest.approx(30_000, rel=1e-3)


def test_replicas_are_added_up(mirrored):
    with mirrored.scope():
        means = TermMeans(["loss"])

    @tf.function
    def update(value, count):
        means.update_state({"loss": value}, {"loss": count})

    values = mirrored.experimental_distribute_values_from_function(
        lambda context: [(9.0, 4.0), (1.0, 1.0)][context.replica_id_in_sync_group]
    )
    mirrored.run(lambda pair: update(*pair), (values,))
    np.testing.assert_allclose(means.result()["loss"], 2.0)
