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


@keras.saving.register_keras_serializable(package="test_schedules")
def hyperbola(step):
    return 1.0 / (1.0 + step)


CASES["FunctionOfStep"] = (
    schedules.get(hyperbola),
    [1.0, 1 / 26, 1 / 101, 1 / 1061],
)
CASES["LearningRate"] = (
    schedules.get(keras.optimizers.schedules.ExponentialDecay(8.0, 100, 0.5)),
    [8.0, 8 * 0.5**0.25, 4.0, 8 * 0.5**10.6],
)


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


@pytest.mark.parametrize("value", ["linear", None, True, [1.0], float("nan"), np.inf])
def test_get_refuses_the_rest(value):
    with pytest.raises(tfvae.UserError, match=r"beta takes a number, a schedule .* got") as refusal:
        schedules.get(value, "beta")
    assert "\n" not in str(refusal.value)


def test_get_takes_schedules_of_keras():
    decay = keras.optimizers.schedules.PiecewiseConstantDecay([50], [1.0, 0.1])
    schedule = schedules.get(decay)
    np.testing.assert_allclose([schedule(0), schedule(50), schedule(51)], [1.0, 1.0, 0.1])


@pytest.mark.parametrize(
    ("function", "values"),
    [
        (lambda step: 0.5, [0.5, 0.5]),
        (lambda step: step / 100, [0.0, 0.25]),
        (lambda step: keras.ops.minimum(step / 10, 1.0), [0.0, 1.0]),
        (lambda step: 2, [2.0, 2.0]),
        (lambda step: tf.cast(step, tf.float64), [0.0, 25.0]),
    ],
)
def test_get_takes_functions_of_the_step(function, values):
    schedule = schedules.get(function)
    assert schedule(25).dtype == tf.float32
    np.testing.assert_allclose([schedule(0), schedule(tf.constant(25, tf.int64))], values)


def test_a_function_may_branch_on_the_step():
    def late(step):
        if step > 10:
            return 1.0
        return 0.0

    traced = tf.function(schedules.get(late), jit_compile=True)
    assert [float(traced(tf.constant(step))) for step in (5, 11)] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda step: tf.zeros(3), r"has to return one number for a step, .* shape \[3\]"),
        (lambda step: "high", "has to return one number for a step, .* type string"),
        (lambda: 0.5, "the function '<lambda>' cannot be traced as a function of the step"),
        (schedules.Linear, "the function 'Linear' cannot be traced"),
    ],
)
def test_functions_that_give_no_number_are_refused(function, words):
    with pytest.raises(tfvae.UserError, match=words) as refusal:
        schedules.get(function)
    assert "\n" not in str(refusal.value)


def test_a_function_that_no_file_would_find_again_is_not_saved():
    schedule = schedules.get(lambda step: step / 100)
    with pytest.raises(tfvae.UserError, match=r"decorate it with @keras\.saving\.register"):
        keras.saving.serialize_keras_object(schedule)


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
