import keras
import numpy as np
import pytest

from tfvae.trainer import WarmUp
from tfvae.trainer.learning_rates import burda


def test_the_rates_of_burda_et_al():
    """3^i epochs at 1e-3 · 10^(−i/7), counted one by one."""
    updates, schedule = 3, burda(1e-3, updates_per_epoch=3)
    rates = [1e-3 * 10 ** (-i / 7) for i in range(8) for _ in range(3**i * updates)]
    assert len(rates) == 3280 * updates
    steps = np.r_[0:130, 360:370, 1088:1096, 3275:3285, 3280 * updates - 1]
    np.testing.assert_allclose([schedule(s) for s in steps], np.take(rates, steps), rtol=1e-5)
    assert float(schedule(10**6)) == pytest.approx(1e-4)  # the last one stays


def test_the_line_comes_before_the_schedule():
    after = keras.optimizers.schedules.ExponentialDecay(0.8, 2, 0.5)
    schedule = WarmUp(after, 4)
    np.testing.assert_allclose(
        [schedule(step) for step in range(9)],
        [0.16, 0.32, 0.48, 0.64, *(0.8 * 0.5 ** (n / 2) for n in range(5))],
        rtol=1e-6,
    )
    assert float(WarmUp(0.5, 1)(0)) == 0.25


@pytest.mark.parametrize("schedule", [WarmUp(0.3, 4), WarmUp(burda(0.1, 2.0), 4)])
def test_a_warm_up_is_saved_with_the_optimizer(schedule):
    saved = keras.optimizers.serialize(keras.optimizers.SGD(schedule))
    same = keras.optimizers.schedules.deserialize(saved["config"]["learning_rate"])
    assert type(keras.optimizers.deserialize(saved)) is keras.optimizers.SGD
    for step in (0, 3, 7, 300):
        assert float(same(step)) == float(schedule(step))
