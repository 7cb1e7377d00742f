"""The page of models says what the results say, and the results are judged rightly."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import tfvae
from tfvae import recipes
from tfvae.runs.config import check_config

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "models.md"


@pytest.fixture
def part(monkeypatch):
    """Imports a module of the benchmarks, which are no part of the package."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.models.{name}")


def run(seed=0, **changed):
    history = [{"loss": 9.0, "val_distortion": d} for d in (90.0, 80.0)]
    chance = {"squared_error": 60.0, "log_prob": -200.0}
    values = {"log_prob": -100.0 - seed, "log_prob_se": 1.0, "elbo": -104.0, "elbo_se": 1.0}
    return {
        "seed": seed,
        "seconds": 10.0,
        "squared_error": 30.0,
        "active_units": 3,
        "log_prob_kind": "importance_weighted",
        "logs": {"rate": 20.0},
        "history": history,
        "chance": chance,
        **values,
        **changed,
    }


def test_the_page_has_a_result_and_samples_for_every_recipe(part):
    found = part("page").missing()
    assert not found, f"python -m benchmarks.models --only={','.join(found)}"
    strips = {path.stem: path.stat().st_size for path in (PAGE.parent / "figures/models").iterdir()}
    rows = {name: part("rows").read("tfvae", name) for name in recipes.names()}
    drawn = {n for n, row in rows.items() if row.get("runs") and "no_samples" not in row["runs"][0]}
    assert set(strips) >= drawn
    assert max(strips.values()) < 20_000


def test_the_page_is_what_the_results_say(part):
    text = part("page").page(PAGE)
    assert text == PAGE.read_text("utf-8"), "python -m benchmarks.models --page"
    assert text.count("\n### ") >= len(recipes.names())
    for name in recipes.names():
        _, _, section = text.partition(f"\n### {name}\n")
        code = section.partition("```python\n")[2].partition("```")[0]
        assert code.startswith(f"def {name}(")
        compile(code, name, "exec")


def test_the_command_is_the_budget(part):
    budget, ours = part("budget"), part("ours")
    assert set(budget.OWN) | set(budget.COMPARED) <= set(recipes.names())
    for name in {"vae", *budget.OWN}:
        config = ours.config_of(name, seed=3)
        check_config(config)
        assert f"--config.recipe={name} " in budget.command(name)
        for field, value in budget.OWN.get(name, {}).items():
            assert f"--config.{field}={value}" in budget.command(name)
    given = budget.BUDGET
    assert (config.epochs, config.batch_size) == (given.epochs, given.batch)
    assert (config.latent_dim, tuple(config.hidden)) == (given.latent, given.hidden)
    assert (config.learning_rate, config.optimizer) == (given.learning_rate, "adam")
    assert (config.recipe, config.seed, config.dataset) == (name, 3, "mnist")


def test_a_row_is_done_until_the_budget_changes_or_it_failed(part, tmp_path, monkeypatch):
    rows, budget = part("rows"), part("budget")
    assert not rows.is_done("tfvae", "miwae", tmp_path)
    rows.write("tfvae", "miwae", {"runs": [run(0)]}, tmp_path)
    assert not rows.is_done("tfvae", "miwae", tmp_path)
    assert rows.is_done("tfvae", "miwae", tmp_path, seeds=(0,))
    rows.write("tfvae", "miwae", {"runs": [run(seed) for seed in range(3)]}, tmp_path)
    assert rows.is_done("tfvae", "miwae", tmp_path)
    assert rows.is_done("tfvae", "miwae", tmp_path, seeds=(0,))
    monkeypatch.setitem(budget.OWN, "miwae", {"miwae.bounds": 3})
    assert not rows.is_done("tfvae", "miwae", tmp_path)
    rows.write("tfvae", "miwae", {"error": "out of memory"}, tmp_path)
    assert not rows.is_done("tfvae", "miwae", tmp_path)


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("import pathlib, sys; pathlib.Path(sys.argv[2], 'row.json').write_text('{}')", None),
        ("raise ValueError('a bad part')", "ValueError: a bad part"),
        ("import os; os.kill(os.getpid(), 24)", "not ready after 600 seconds for a seed"),
    ],
)
def test_a_failure_is_a_row(part, tmp_path, monkeypatch, program, error):
    training, rows = part("training"), part("rows")
    monkeypatch.setattr(rows, "ROWS", tmp_path)
    line = training.train("tfvae", "vae", [sys.executable, "-c", program], (0, 1))
    assert rows.read("tfvae", "vae").get("error") == error
    assert (error or "done") in line


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, None),
        ({"squared_error": 58.0}, "collapsed: its squared error, 58.0, is that of the mean"),
        ({"log_prob": -200.5}, "no better than chance: -200.5 nats"),
        ({"log_prob": float("nan")}, "no better than chance"),
        ({"log_prob": None, "no_log_prob": "a point has no density"}, None),
        ({"history": [{"loss": float("nan"), "val_distortion": 1.0}]}, "not finite"),
        ({"history": [{"val_distortion": d} for d in (80.0, 101.0)]}, "rose from 80.0 again"),
    ],
)
def test_what_does_not_work_is_told(part, changed, words):
    row = {"runs": [run(), run(1, **changed)]}
    found = part("verdicts").fault(row)
    assert found is None if words is None else words in found
    assert part("verdicts").fault({"error": "killed"}) == "failed: killed"


def test_a_difference_is_held_against_its_standard_error(part):
    verdicts, rows = part("verdicts"), part("rows")
    random = np.random.default_rng(0)
    each = random.normal(-100.0, 30.0, (2, 500)).round(1)
    each[1] = each[0] + random.normal(0.5, 2.0, 500).round(1)
    seeds = np.add(random.normal(-100.0, 0.3, (2, 3)), [[0.0], [0.5]])
    ours, theirs = (
        {
            "log_prob_of_each_image": rows.values_text(values),
            "runs": [run(i, log_prob=m) for i, m in enumerate(means)],
        }
        for values, means in zip(each, seeds, strict=True)
    )
    result = verdicts.compare(ours, theirs)
    paired = (each[0] - each[1]).var(ddof=1) / 500
    expected = np.sqrt(paired + (seeds.var(axis=1, ddof=1) / 3).sum())
    np.testing.assert_allclose(result.error, expected, rtol=1e-4)
    np.testing.assert_allclose(result.difference, seeds[0].mean() - seeds[1].mean())
    assert verdicts.Comparison(-100.0, -99.0, 0.4).verdict == "worse"
    assert verdicts.Comparison(-100.0, -99.0, 0.6).verdict == "alike"
    assert verdicts.Comparison(-98.0, -99.0, 0.4).verdict == "better"


def test_chance_is_the_mean_image(part):
    x = (np.random.default_rng(0).random((200, 3)) < [0.2, 0.5, 0.9]).astype(float)
    found = part("measures").chance(x)
    p = x.mean(axis=0)
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p)).sum()
    np.testing.assert_allclose(found["log_prob"], -entropy)
    np.testing.assert_allclose(found["squared_error"], (p * (1 - p)).sum())
    assert "log_prob" not in part("measures").chance(x / 2)


def test_the_measures_are_those_of_the_model(part, tmp_path):
    vae = recipes.conditional_vae((8, 8, 1), 2, hidden=(8,))
    vae.compile("adam")
    data = tfvae.data.load("digits", "test[:40]", 40, labels=True, binarization="static")
    found, each = part("measures").measure(vae, data, samples=5)
    x, context = next(iter(data))
    expected = vae.log_prob(x, 5, seed=(0, 0), context=context).numpy()
    np.testing.assert_allclose(each, expected, rtol=1e-5)
    np.testing.assert_allclose(found["log_prob"], expected.mean(), rtol=1e-5)
    np.testing.assert_allclose(found["log_prob_se"], expected.std(ddof=1) / 40**0.5, rtol=1e-4)
    # An untrained model is near 64 log 2, which is no better than the mean image.
    assert found["elbo"] < found["log_prob"] < found["chance"]["log_prob"] < -10
    assert json.loads(json.dumps(found)) == found
    part("strips").write_strip(vae, tmp_path / "strip.png", labels=True)
    assert part("strips").contact_sheet(tmp_path, tmp_path / "sheet.png") == ["strip"]


def test_a_log_prob_that_a_model_refuses_is_noted(part, monkeypatch):
    vae = recipes.vae((8, 8, 1), 2, hidden=(8,))
    vae.compile("adam", run_eagerly=True)

    def refuse(*args, **kwargs):
        raise tfvae.errors.UserError("a point has no density")

    monkeypatch.setattr(vae, "log_prob", refuse)
    data = tfvae.data.load("digits", "test[:10]", 10, binarization="static")
    found, each = part("measures").measure(vae, data, samples=5)
    assert "log_prob" not in found
    assert found["no_log_prob"] == "a point has no density"
    assert len(each) == 0
    row = {"runs": [{"seconds": 1.0, "seed": 0, "history": [], **found}], "versions": {}}
    assert part("verdicts").fault(row) is None or "collapsed" in part("verdicts").fault(row)
    assert part("wording").log_prob_text(row) == "none"
