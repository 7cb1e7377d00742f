import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.objectives import ELBO, BetaTCVAE, FactorVAE, Objective, ScheduledNumber
from tfvae.schedules import Linear


@keras.saving.register_keras_serializable(package="test_scheduled_number")
def quarter(step):
    return step / 4


def used(logs):
    """The beta that a run has computed with, of its loss."""
    return (np.array(logs["loss"]) - logs["distortion"]) / logs["rate"]


@pytest.mark.parametrize(
    "beta",
    [
        3.0,
        np.float32(3.0),
        Linear(3.0, 3.0, 1),
        keras.optimizers.schedules.PiecewiseConstantDecay([9], [3.0, 0.0]),
        lambda step: 3.0 + 0.0 * step,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_number_may_be_anything_that_gives_one_for_a_step(make_vae, binary, beta):
    vae = make_vae(objective=ELBO(beta))
    vae.compile(keras.optimizers.SGD(0.0))
    logs = vae.fit(binary, batch_size=40, verbose=0).history
    assert used(logs)[0] == pytest.approx(3.0, rel=1e-4)
    assert logs["beta"] == [3.0]


def test_what_is_assigned_is_what_the_next_step_takes(make_vae, binary):
    """Before compile, after it, between two fits, in the midst of one, and in evaluation."""
    vae = make_vae(objective=ELBO(1.0))
    vae.objective.beta = 0.5
    vae.compile(keras.optimizers.SGD(0.0))
    run = {"batch_size": 40, "verbose": 0}
    assert used(vae.fit(binary, **run).history)[0] == pytest.approx(0.5, rel=1e-4)
    vae.objective.beta = 2.0
    logs = vae.fit(binary, validation_data=binary, **run).history
    assert used(logs)[0] == pytest.approx(2.0, rel=1e-4)
    assert logs["beta"] == [2.0]
    vae.objective.beta = quarter  # the third step is that after two
    assert used(vae.fit(binary, **run).history)[0] == pytest.approx(0.5, rel=1e-4)
    vae.objective.beta = 3.0
    assert used(vae.evaluate(binary, return_dict=True, **run)) == pytest.approx(3.0, rel=1e-4)

    class Anneal(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.objective.beta = float(epoch)

    logs = vae.fit(binary, validation_data=binary, epochs=3, callbacks=[Anneal()], **run).history
    np.testing.assert_allclose(used(logs), [0.0, 1.0, 2.0], atol=1e-3)
    validated = {name: logs[f"val_{name}"] for name in ("loss", "distortion", "rate")}
    np.testing.assert_allclose(used(validated), [0.0, 1.0, 2.0], atol=1e-3)
    assert logs["beta"] == logs["val_beta"] == [0.0, 1.0, 2.0]


def test_nothing_is_traced_again_without_an_assignment(make_vae, binary):
    traces = []

    class Spy(ELBO):
        def call(self, x, output, *, step=0, weights=None):
            traces.append(1)
            self.seen = len(traces)  # which is no number that anybody assigned
            return super().call(x, output, step=step, weights=weights)

    vae = make_vae(objective=Spy())
    vae.compile("sgd")
    vae.fit(binary, batch_size=40, epochs=3, verbose=0)
    before = len(traces)
    vae.fit(binary, batch_size=40, epochs=3, verbose=0)
    assert len(traces) == before
    vae.objective.beta = 0.5
    vae.fit(binary, batch_size=40, epochs=3, verbose=0)
    assert len(traces) == before + 1


@pytest.mark.parametrize(
    ("objective", "name", "value"),
    [
        (lambda: ELBO(), "free_bits", 3.0),
        (lambda: ELBO(), "capacity", 3.0),
        (lambda: BetaTCVAE(examples=40), "gamma", 5.0),
        (lambda: BetaTCVAE(examples=40), "examples", 4000),
        (lambda: FactorVAE(1.0, units=(4,)), "gamma", 50.0),
    ],
)
def test_every_number_can_be_assigned_after_a_fit(make_vae, binary, objective, name, value):
    still = {"optimizer": keras.optimizers.SGD(0.0)}
    vae = make_vae(objective=objective())
    vae.compile(**still)
    # The evaluation's noise is that of the step: the same before and after.
    before = vae.evaluate(binary, verbose=0, return_dict=True)
    setattr(vae.objective, name, value)
    after = vae.evaluate(binary, verbose=0, return_dict=True)
    assert after["elbo"] == before["elbo"]
    assert after["loss"] != pytest.approx(before["loss"], abs=1e-3)


@pytest.mark.parametrize(
    "beta", [0.25, Linear(0, 1, 10), keras.optimizers.schedules.CosineDecay(1.0, 10), quarter]
)
def test_assigned_numbers_are_saved(make_vae, binary, tmp_path, beta):
    vae = make_vae(objective=ELBO())
    vae.objective.beta = beta
    vae.objective.capacity = 2.0
    vae.compile("sgd")
    vae.save(tmp_path / "m.keras")
    same = tfvae.load(tmp_path / "m.keras").objective
    for step in (0, 5, 20):
        assert float(same.beta(step)) == float(vae.objective.beta(step))
    assert float(same.capacity(0)) == 2.0
    assert same.free_bits is None


def test_a_function_that_cannot_be_saved_says_so_in_a_line(make_vae, tmp_path):
    vae = make_vae(objective=ELBO(lambda step: step / 4))
    with pytest.raises(tfvae.UserError, match="assign a number before saving") as refusal:
        vae.save(tmp_path / "m.keras")
    assert "\n" not in str(refusal.value)
    vae.objective.beta = 1.0
    vae.save(tmp_path / "m.keras")


def test_refused_assignments():
    objective = ELBO(free_bits=1.0)
    for name, value, words in [
        ("beta", -1.0, "beta takes a number from 0, got -1.0"),
        ("beta", None, "beta takes a number, a schedule"),
        ("beta", "high", "beta takes a number, a schedule"),
        ("capacity", 2.0, "free_bits and capacity exclude each other"),
    ]:
        with pytest.raises(tfvae.UserError, match=words):
            setattr(objective, name, value)
    objective.free_bits = None
    objective.capacity = 2.0
    assert float(objective.beta(0)) == 1.0
    with pytest.raises(tfvae.UserError, match="examples takes an integer from 1, got 0"):
        objective.examples = 0


def test_an_objective_of_ones_own_has_its_numbers_saved_and_logged():
    @keras.saving.register_keras_serializable(package="test_scheduled_number")
    class Mine(Objective):
        strength = ScheduledNumber(low=0.0)

        def __init__(self, strength=1.0, **kwargs):
            super().__init__(**kwargs)
            self.strength = strength

    objective = Mine(Linear(0, 4, 4))
    assert {name: float(v) for name, v in objective.scheduled(2).items()} == {"strength": 2.0}
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(objective)))
    same = keras.saving.deserialize_keras_object(config)
    assert float(same.strength(tf.constant(3))) == 3.0
    assert isinstance(Mine.strength, ScheduledNumber)
