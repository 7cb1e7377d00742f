import json
import os
import shutil
import signal

import numpy as np
import pytest

import tfvae
from tfvae.errors import UserError
from tfvae.runs import loop
from tfvae.runs.callbacks import EpochOfData
from tfvae.runs.rows import read_metrics
from tfvae.runs.signals import Interrupted

VARIANTS = {
    "warm-up": {"beta_schedule__name": "linear", "beta_schedule__steps": 15},
    "levels, calls of 4 steps in epochs of 6": {
        "likelihood": "discretized_logistic",
        "steps_per_execution": 4,
    },
    "mixed_float16": {"policy": "mixed_float16", "samples": 2},
}


def assert_same(one, other, *, rows_within=0.0):
    assert len(one.rows) == len(other.rows) > 0
    for a, b in zip(one.rows, other.rows, strict=True):
        assert a.keys() == b.keys()
        numbers = [{name: float(value) for name, value in row.items()} for row in (a, b)]
        assert numbers[0] == pytest.approx(numbers[1], rel=rows_within, abs=0.0)
    assert len(one.state) == len(other.state) > 10
    for a, b in zip(one.state, other.state, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.representatives("levels*")
def test_a_run_cut_off_three_times_equals_an_uninterrupted_one(
    name, tiny, train, stop_after, monkeypatch, result, tmp_path
):
    fields = VARIANTS[name]
    train(tiny(**fields), tmp_path / "whole")
    cut = tmp_path / "cut"

    # In the middle of the second epoch of two.
    stop_after(9)
    with pytest.raises(Interrupted):
        train(tiny(**fields, epochs=2), cut)
    batches = 9 if fields.get("steps_per_execution", 1) == 1 else 10
    assert f"step-{batches:09d}.keras" in os.listdir(cut / "checkpoints")
    assert [row["epoch"] for row in read_metrics(cut / "metrics.csv")] == ["1"]
    assert not (cut / "model.keras").exists()
    monkeypatch.setattr(loop, "EpochOfData", EpochOfData)
    said = train(tiny(**fields, epochs=2), cut)
    assert said[0] == f"going on from {cut}/checkpoints/step-{batches:09d}.keras"

    # After the last batch of the third epoch: its validation is not left out.
    stop_after(18)
    with pytest.raises(Interrupted):
        train(tiny(**fields), cut)
    assert not (cut / "evaluation.json").exists()
    monkeypatch.setattr(loop, "EpochOfData", EpochOfData)
    train(tiny(**fields), cut)

    assert [row["epoch"] for row in read_metrics(cut / "metrics.csv")] == ["1", "2", "3"]
    assert_same(result(cut), result(tmp_path / "whole"))
    tables = [json.loads((tmp_path / d / "evaluation.json").read_text()) for d in ("cut", "whole")]
    assert tables[0] == tables[1]


@pytest.mark.exhaustive
def test_replicas_stopped_and_resumed_and_changed_for_one_device(
    tiny, train, stop_after, monkeypatch, result, tmp_path
):
    config = tiny(epochs=2)
    train(config, tmp_path / "whole", strategy="mirrored")
    stop_after(9, signal.SIGTERM)
    with pytest.raises(Interrupted):
        train(config, tmp_path / "cut", strategy="mirrored")
    shutil.copytree(tmp_path / "cut", tmp_path / "moved")
    monkeypatch.setattr(loop, "EpochOfData", EpochOfData)
    train(config, tmp_path / "cut", strategy="mirrored")
    whole = result(tmp_path / "whole")
    # The sums of the metrics are shared out among the replicas anew: up to their rounding.
    assert_same(result(tmp_path / "cut"), whole, rows_within=1e-6)

    # The sum over an epoch's batches goes on where the number of replicas is another.
    train(config, tmp_path / "moved", strategy="one_device")
    moved = result(tmp_path / "moved")
    assert int(moved.vae.optimizer.iterations) == 12
    assert float(moved.rows[1]["loss"]) == pytest.approx(float(whole.rows[1]["loss"]), rel=0.02)
    train(tiny(epochs=3), tmp_path / "moved", strategy="mirrored")
    assert int(result(tmp_path / "moved").vae.optimizer.iterations) == 18


def test_a_complete_run_says_so_until_more_is_asked_of_it(tiny, train, result, tmp_path):
    config = tiny(epochs=1, checkpoint_every=3)
    table = loop.train_and_evaluate(
        config, tmp_path, strategy="one_device", verbose=0, say=lambda line: None
    )
    assert table == json.loads((tmp_path / "evaluation.json").read_text())
    # Not a checkpoint's epoch, and yet the last state is kept.
    assert (tmp_path / "checkpoints" / "step-000000006.keras").exists()
    (once,) = result(tmp_path).times
    assert once["seconds"] > 0
    assert once["images_per_second"] == pytest.approx(96 / once["seconds"], rel=1e-4)

    def contents():
        files = (p for p in tmp_path.rglob("*") if p.is_file() and p.name != ".lock")
        return {p: p.stat().st_mtime_ns for p in files}

    before = contents()
    (line,) = train(config, tmp_path)
    assert "complete after 1 epochs" in line
    assert "config.epochs" in line
    assert contents() == before

    # Another evaluation is one, and no training.
    train(tiny(epochs=1, checkpoint_every=3, evaluation__samples=5), tmp_path)
    assert json.loads((tmp_path / "evaluation.json").read_text())["samples"] == 5
    assert result(tmp_path).times == [once]


@pytest.mark.exhaustive
def test_a_run_that_was_killed_behind_its_training_is_not_complete(
    tiny, train, monkeypatch, tmp_path
):
    train(tiny(epochs=1), tmp_path)

    def cut_off(*args, **kwargs):
        raise KeyboardInterrupt

    evaluate = loop.evaluate_likelihood
    monkeypatch.setattr(loop, "evaluate_likelihood", cut_off)
    with pytest.raises(KeyboardInterrupt):
        train(tiny(epochs=2), tmp_path)
    monkeypatch.setattr(loop, "evaluate_likelihood", evaluate)
    said = train(tiny(epochs=2), tmp_path)
    assert not any("complete" in line for line in said)
    assert (tmp_path / "evaluation.json").exists()
    assert int(tfvae.load(tmp_path / "model.keras").optimizer.iterations) == 12


def test_a_second_signal_stops_at_once(tiny, train, monkeypatch, tmp_path):
    class Impatient(EpochOfData):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(loop, "EpochOfData", Impatient)
    with pytest.raises(KeyboardInterrupt):
        train(tiny(), tmp_path)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dataset": "digts"}, "digits"),
        ({"train_split": "trian"}, "train"),
        ({"test_split": "test[5:5]"}, "holds no example"),
        ({"likelihood": "bernoulli", "binarization": "none"}, "binariz"),
        ({"likelihood": "discretized_logistic", "binarization": "dynamic"}, "binarization"),
        ({"image_size": (4, 4)}, "images:"),
        ({"normal__scale": "lerned", "likelihood": "normal"}, "learned"),
        ({"normal__scale": "-1.0", "likelihood": "normal"}, "scale"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    fields, message, tiny, train, tmp_path
):
    with pytest.raises(UserError, match=message) as error:
        train(tiny(**fields), tmp_path / "run")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_xla_with_replicas_is_refused(tiny, train, tmp_path):
    with pytest.raises(UserError, match=r"config.xla=True .* --strategy=one_device"):
        train(tiny(xla=True), tmp_path / "run", strategy="mirrored")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [("multi_worker", "TF_CONFIG"), ("mirored", "did you mean 'mirrored'")],
)
def test_strategies_that_there_are_not_are_refused(name, why, tiny, train, tmp_path):
    with pytest.raises(UserError, match=why):
        train(tiny(), tmp_path / "run", strategy=name)
    assert not (tmp_path / "run").exists()
