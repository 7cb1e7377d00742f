import inspect

import keras
import numpy as np
import pytest

import tfvae
from tfvae.errors import UserError
from tfvae.optimizers import optimizer_class, optimizer_names
from tfvae.runs import loop
from tfvae.runs.averaging import KeepsTheWeights
from tfvae.runs.callbacks import EpochOfData
from tfvae.runs.config import check_config
from tfvae.runs.optimizer import learning_rate_of, optimizer_of
from tfvae.runs.schema import fields_of_optimizer
from tfvae.runs.signals import Interrupted
from tfvae.trainer import Adam, WarmUp


@pytest.mark.parametrize("name", optimizer_names())
def test_every_optimizer_of_keras_by_its_name(name, tiny):
    config = tiny(optimizer=name, learning_rate=0.02, weight_decay=0.1, global_clipnorm=3.0)
    check_config(config)
    optimizer = optimizer_of(config, 10)
    assert type(optimizer).__name__.lower() == name
    assert isinstance(optimizer, Adam) == (name == "adam")
    assert float(optimizer.learning_rate) == pytest.approx(0.02)
    assert (optimizer.weight_decay, optimizer.global_clipnorm) == (0.1, 3.0)


def test_the_fields_are_those_of_keras(tiny):
    optimizer = optimizer_of(tiny(clipnorm=2.0, ema_momentum=0.9, accumulation_steps=4), 10)
    assert optimizer.clipnorm == 2.0
    assert (optimizer.use_ema, optimizer.ema_momentum) == (True, 0.9)
    assert optimizer.gradient_accumulation_steps == 4
    plain = optimizer_of(tiny(), 10)
    assert not plain.use_ema
    assert plain.gradient_accumulation_steps is None


def own_numbers(name):
    """What the signature of an optimizer has beside what those of all have."""
    taken = {n: inspect.signature(optimizer_class(n)).parameters for n in optimizer_names()}
    common = set.intersection(*map(set, taken.values()))
    return {n: p.default for n, p in taken[name].items() if n not in common}


@pytest.mark.parametrize("name", optimizer_names())
def test_an_optimizers_own_numbers_are_those_of_its_signature(name, tiny):
    takes, own = fields_of_optimizer(name), own_numbers(name)
    assert own.keys() - takes.keys() <= {"exclude_layers"}  # a list
    assert {n: f.option.default for n, f in takes.items()} == {n: own[n] for n in takes}
    for argument, field in takes.items():
        default = field.option.default
        value = {bool: not default, int: 3, float: default / 2 or 0.25}[type(default)]
        value = -value if argument == "learning_rate_power" and value > 0 else value
        config = tiny(optimizer=name)
        if argument == "nesterov" and value:
            config.optimizer_options.momentum = 0.5
        config.update_from_flattened_dict({field.name: value})
        check_config(config)
        assert getattr(optimizer_of(config, 10), argument) == value
    assert optimizer_of(tiny(optimizer=name), 10).get_config().items() >= {
        (n, f.option.default) for n, f in takes.items()
    }


def test_momentum_is_that_of_the_formula(tiny):
    config = tiny(optimizer="sgd", learning_rate=0.1, optimizer_options__momentum=0.5)
    weight = keras.Variable(np.zeros(1, np.float32))
    optimizer = optimizer_of(config, 10)
    for _ in range(3):  # v = m v - r g; w = w + v: -0.1, -0.15, -0.175
        optimizer.apply_gradients([(np.ones(1, np.float32), weight)])
    np.testing.assert_allclose(weight.numpy(), [-0.425], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        ("adam", {"nesterov": True}, "does not take it, it takes amsgrad, beta_1, beta_2, epsilon"),
        ("adam", {"beta_1": 1.0}, "give a number from 0 below 1"),
        ("sgd", {"nesterov": False}, None),
        ("lion", {"epsilon": 1e-3}, r"optimizer_options\.epsilon=0\.001: the optimizer lion"),
    ],
)
def test_a_number_that_an_optimizer_does_not_take(name, option, message, tiny):
    config = tiny({f"optimizer_options.{n}": v for n, v in option.items()}, optimizer=name)
    if message is None:
        check_config(config)
        return
    with pytest.raises(UserError, match=message) as error:
        check_config(config)
    assert "\n" not in str(error.value)


def schedule(tiny, **fields):
    named = {f"learning_rate_schedule__{name}": value for name, value in fields.items()}
    config = tiny(learning_rate=0.8, **named)
    check_config(config)
    return config


def test_schedules_of_the_learning_rate(tiny):
    cosine = learning_rate_of(schedule(tiny, name="cosine", steps=8, end=0.5), 10)
    expected = [0.8, 0.8 * (0.5 + 0.5 * 0.5), 0.4, 0.4]
    np.testing.assert_allclose([cosine(s) for s in (0, 4, 8, 99)], expected, rtol=1e-6)
    falling = learning_rate_of(schedule(tiny, name="exponential", steps=5, rate=0.1), 10)
    np.testing.assert_allclose([falling(s) for s in (0, 5, 10)], [0.8, 0.08, 0.008], rtol=1e-5)
    burda = learning_rate_of(schedule(tiny, name="burda"), 10)
    np.testing.assert_allclose(
        [burda(s) for s in (9, 10, 39, 40)], 0.8 * 10 ** (-np.array([0, 1, 1, 2]) / 7), rtol=1e-5
    )
    line = learning_rate_of(schedule(tiny, warmup_steps=3), 10)
    assert isinstance(line, WarmUp)
    np.testing.assert_allclose([line(s) for s in range(4)], [0.2, 0.4, 0.6, 0.8], rtol=1e-6)


def test_steps_are_batches_where_gradients_are_accumulated(tiny):
    """Keras asks a schedule with the number of updates."""
    config = schedule(tiny, name="exponential", steps=8, rate=0.1, warmup_steps=4)
    config.accumulation_steps = 4
    rate = learning_rate_of(config, 40)
    np.testing.assert_allclose([rate(u) for u in (1, 3)], [0.8, 0.08], rtol=1e-5)
    config = schedule(tiny, name="burda")
    config.accumulation_steps = 4
    np.testing.assert_allclose(
        [learning_rate_of(config, 40)(u) for u in (9, 10)], [0.8, 0.8 * 10 ** (-1 / 7)], rtol=1e-5
    )


@pytest.mark.exhaustive
def test_the_mean_of_the_weights_is_validated_and_kept(
    tiny, train, stop_after, monkeypatch, result, tmp_path
):
    """The final model holds the mean, the checkpoints the weights; a resumed run ends the same."""
    config = tiny(epochs=2, ema_momentum=0.5, learning_rate=0.05, checkpoint_every="4 steps")
    train(config, tmp_path / "whole")
    final = tfvae.load(tmp_path / "whole" / "model.keras")
    last = sorted((tmp_path / "whole" / "checkpoints").glob("step-*.keras"))[-1]
    saved = tfvae.load(last)
    weights = [w.numpy() for w in saved.trainable_variables]
    assert any(
        (w.numpy() != v).any() for w, v in zip(final.trainable_variables, weights, strict=True)
    )
    saved.optimizer.finalize_variable_values(saved.trainable_variables)
    for one, other in zip(final.trainable_variables, saved.trainable_variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())

    stop_after(9)  # in the middle of the second epoch of two
    with pytest.raises(Interrupted):
        train(config, tmp_path / "cut")
    monkeypatch.setattr(loop, "EpochOfData", EpochOfData)
    train(config, tmp_path / "cut")
    whole, cut = (result(tmp_path / name) for name in ("whole", "cut"))
    assert len(whole.state) == len(cut.state) > 10
    for one, other in zip(whole.state, cut.state, strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole.rows == cut.rows
    tables = [(tmp_path / name / "evaluation.json").read_text() for name in ("whole", "cut")]
    assert tables[0] == tables[1]


def test_fit_leaves_the_weights_where_the_last_step_left_them():
    def fitted(callbacks, **options):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.1, **options), loss="mse", run_eagerly=True)
        x = np.arange(8.0).reshape(4, 2)
        model.fit(
            x, x[:, :1], batch_size=2, epochs=2, verbose=0, callbacks=callbacks, shuffle=False
        )
        return [w.numpy() for w in model.trainable_variables]

    mean = {"use_ema": True, "ema_momentum": 0.5}
    plain = fitted([])
    kept, swapped = fitted([KeepsTheWeights()], **mean), fitted([], **mean)
    for one, other, third in zip(plain, kept, swapped, strict=True):
        np.testing.assert_array_equal(one, other)
        assert (other != third).any()


def test_what_an_optimizer_does_not_take_is_one_line(tiny, monkeypatch):
    def narrow(learning_rate):
        return None

    monkeypatch.setattr("tfvae.runs.optimizer.optimizer_class", lambda name: narrow)
    with pytest.raises(UserError, match=r"config\.optimizer=sgd takes not all of"):
        optimizer_of(tiny(optimizer="sgd", weight_decay=0.1), 10)
