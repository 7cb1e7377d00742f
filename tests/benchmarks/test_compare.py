import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def part(monkeypatch):
    """Imports a module of the benchmarks, which are no part of the package."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


def compare(*flags):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.compare", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def result(part, *seconds, loss=100.0, peak=1.0):
    return part("race").Result(list(seconds), [loss] * len(seconds), peak)


@pytest.mark.exhaustive
def test_fit_and_the_hand_written_loop_come_to_the_same_loss(tmp_path):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, 28, 28, 1)).repeat(10, axis=0).astype(np.uint8)
    np.savez(tmp_path / "images.npz", x_train=images, x_test=images[:10])
    page = tmp_path / "page.md"
    page.write_text("<!-- by hand: begin -->\nProfiles.\n<!-- by hand: end -->\n")
    done = compare(
        f"--images={tmp_path}/images.npz",
        "--workloads=mlp",
        "--contestants=fit,tf_loop",
        "--rounds=1",
        "--steps=4",
        f"--results={page}",
    )
    assert done.returncode == 0, done.stderr + done.stdout
    text = page.read_text("utf-8")
    assert "Profiles." in text
    losses = [
        float(line.split("|")[-2]) for line in text.splitlines() if line[:3] in ("| t", "| T")
    ]
    assert len(losses) == 2
    assert 400 < min(losses) < max(losses) < 600


def test_what_it_does_not_know_is_refused():
    done = compare("--workloads=mpl")
    assert done.returncode == 1
    assert "mpl" in done.stderr + done.stdout


def test_a_loss_that_differs_is_told(part):
    race, workload = part("race"), part("workloads").WORKLOADS["mlp"]
    results = {name: result(part, 1.0) for name in ("fit", "tf_loop", "jax_scan", "products")}
    results["products"].losses = [float("nan")]
    assert race.disagreements(workload, results) == []
    results["jax_scan"].losses = [100.0, 102.0]
    (line,) = race.disagreements(workload, results)
    assert "JAX" in line
    assert "102.000" in line
    results["jax_scan"].losses = [float("nan")]
    assert len(race.disagreements(workload, results)) == 1


def test_targets_are_ratios_of_medians(part):
    report = part("report")
    results = {
        "mlp": {"fit": result(part, 1, 2, 9), "tf_loop": result(part, 3.2, 3.2)},
        "iwae": {n: result(part, s) for n, s in [("fit", 1.0), ("tf_loop", 0.9), ("jax_scan", 2)]},
        "log_prob": {"fit": result(part, 1.0, peak=50), "jax_scan": result(part, 1.5, peak=99)},
    }
    rows = report.targets_table(results).splitlines()[2:]
    assert [row.split("|")[-2].strip() for row in rows] == ["yes", "**no**", "**no**"]
    assert "1.60" in rows[0]
    assert "hand-written" in rows[1]
    assert "memory 0.51" in rows[2]


def test_the_products_are_those_of_the_network(part):
    products, turns = part("contestants.products"), part("turns")
    task = turns.Turns.__new__(turns.Turns)
    task.workload = part("workloads").WORKLOADS["iwae"]
    found, steps = products.sizes(task, (28, 28, 1))
    assert steps == task.workload.steps
    forward = 20 * (784 * 200 + 200 * 200 + 200 * 100) + 1000 * (50 * 200 + 200 * 200 + 200 * 784)
    # Twice as much backward, but for the input of the encoder's first layer.
    assert sum(m * k * n for m, k, n in found) == 3 * forward - 20 * 784 * 200


def test_the_contestants_begin_with_glorots_weights(part):
    networks = part("networks")
    weights = networks.initial_weights(networks.decoder("conv", (28, 28, 1)), seed=1)
    assert [w.shape for w in weights[::2]] == [(50, 3136), (3, 3, 64, 32), (3, 3, 32, 32), (32, 1)]
    limit = (6 / (9 * 96)) ** 0.5
    assert 0.99 * limit < np.abs(weights[2]).max() < limit
    assert not np.any(weights[1])
