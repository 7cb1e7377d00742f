import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import schedules

CASES = {
    "Constant": (schedules.Constant(4.0), [4.0, 4.0, 4.0, 4.0]),
    "Linear": (schedules.Linear(0.0, 1.0, 100), [0.0, 0.25, 1.0, 1.0]),
    "Linear delayed, downwards": (schedules.Linear(4, 2, 50, delay=20), [4.0, 3.8, 2.0, 2.0]),
    "Cosine": (schedules.Cosine(0, 1, 100), [0.0, 0.5 - 0.5 * np.cos(np.pi / 4), 1.0, 1.0]),
    "Cyclical": (schedules.Cyclical(0, 1, 100), [0.0, 0.5, 0.0, 1.0]),
    "Cyclical of one ramp": (schedules.Cyclical(1, 2, 100, ramp=1.0), [1.0, 1.25, 1.0, 1.6]),
}
STEPS = [0, 25, 100, 1060]


@pytest.mark.parametrize("case", CASES)
def test_values(case):
    schedule, values = CASES[case]
    got = [schedule(step) for step in STEPS]
    assert all(value.dtype == tf.float32 and value.shape == [] for value in got)
    np.testing.assert_allclose(got, values, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_a_traced_schedule_follows_the_step(case):
    schedule, values = CASES[case]
    traces = []

    @tf.function
    def at(step):
        traces.append(1)
        return schedule(step)

    np.testing.assert_allclose([at(tf.constant(s, tf.int64)) for s in STEPS], values, atol=1e-6)
    assert len(traces) == 1


@pytest.mark.parametrize("case", CASES)
def test_config_round_trip(case):
    schedule, values = CASES[case]
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(schedule)))
    same = keras.saving.deserialize_keras_object(config)
    assert type(same) is type(schedule)
    assert same.get_config() == schedule.get_config()
    np.testing.assert_allclose([same(step) for step in STEPS], values, atol=1e-6)


def test_every_schedule_has_a_case():
    known = {
        name
        for name in schedules.__all__
        if isinstance(getattr(schedules, name), type) and name != "Schedule"
    }
    assert {type(schedule).__name__ for schedule, _ in CASES.values()} == known


def test_large_steps_are_exact():
    assert float(schedules.Linear(0.0, 1.0, 2**24)(2**23)) == 0.5
    assert float(schedules.Cyclical(0.0, 1.0, 1000, ramp=1.0)(10_000_500)) == pytest.approx(0.5)


@pytest.mark.parametrize("number", [3, 3.0, np.float32(3), np.float64(3), np.int64(3)])
def test_get_makes_a_constant_of_any_number(number):
    schedule = schedules.get(number)
    assert isinstance(schedule, schedules.Constant)
    assert schedule.get_config() == {"constant": 3.0}


def test_get_leaves_a_schedule():
    schedule = schedules.Linear(0, 1, 2)
    assert schedules.get(schedule) is schedule


@pytest.mark.parametrize("value", ["linear", None, True, [1.0]])
def test_get_refuses_the_rest(value):
    with pytest.raises(tfvae.UserError, match=r"a number or a tfvae\.schedules\.Schedule, got"):
        schedules.get(value)


@pytest.mark.parametrize(
    ("make", "seen"),
    [
        (lambda: schedules.Linear(0, 1, 0), "steps >= 1 and delay >= 0, got 0 and 0"),
        (lambda: schedules.Cosine(0, 1, 5, delay=-1), "got 5 and -1"),
        (lambda: schedules.Cyclical(0, 1, 0), "period >= 1"),
        (lambda: schedules.Cyclical(0, 1, 5, ramp=0.0), "0 < ramp <= 1"),
        (lambda: schedules.Cyclical(0, 1, 5, ramp=1.5), "0 < ramp <= 1"),
    ],
)
def test_refusals(make, seen):
    with pytest.raises(tfvae.UserError, match=seen):
        make()


def test_a_schedule_of_the_users_own():
    class Halving(schedules.Schedule):
        def __init__(self, start):
            self.start = start

        def value(self, step):
            return self.start * 0.5**step

    assert float(Halving(8.0)(2)) == 2.0
    assert Halving.from_config(Halving(8.0).get_config()).start == 8.0
    assert float(tfvae.objectives.ELBO(beta=Halving(8.0)).scheduled(3)["beta"]) == 1.0


def test_the_base_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="has to define value"):
        schedules.Schedule()(0)
