"""A real process, killed at seeded moments: what is finished is equal bit for bit."""

import json
import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest

import tfvae
from tfvae.runs.rows import read_metrics

ROOT = os.path.dirname(os.path.dirname(tfvae.__file__))
PROGRAM = """
import json, os, signal, sys, threading
from tfvae import files
from tfvae.runs import callbacks, default_config, loop

fields, workdir, moment = json.loads(sys.argv[1])
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
if moment and moment[0] == "write":
    left, on_disk = [moment[1]], files._on_disk

    def counted(path):
        left[0] -= 1
        if not left[0]:
            if path.is_file():  # as if the power had gone with half of it written
                os.truncate(path, path.stat().st_size // 2)
            kill()
        on_disk(path)

    files._on_disk = counted
if moment and moment[0] == "after":
    begin = callbacks.EpochOfData.on_epoch_begin

    def timed(self, epoch, logs=None):
        threading.Timer(moment[1], kill).start()
        begin(self, epoch, logs)

    callbacks.EpochOfData.on_epoch_begin = timed
config = default_config()
fields = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
config.update_from_flattened_dict(fields)
loop.train_and_evaluate(config, workdir, strategy="one_device", verbose=0)
"""


@pytest.fixture
def run(tiny_fields):
    """Starts a training, which a moment may end."""
    fields = {**tiny_fields, "steps_per_execution": 2, "checkpoint_every": "2 steps"}

    def start(workdir, moment=None):
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps([fields, str(workdir), moment])],
            env={**os.environ, "PYTHONPATH": ROOT},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def moments(seed, count):
    """Some in the middle of writing a file, some wherever the training is."""
    rng = random.Random(seed)
    return [
        ("write", rng.randint(4, 16)) if i % 2 else ("after", rng.uniform(0.3, 2.0))
        for i in range(count)
    ]


def state(workdir):
    vae = tfvae.load(workdir / "model.keras")
    return [v.numpy() for v in (*vae.weights, *vae.optimizer.variables)]


@pytest.mark.exhaustive
def test_a_run_killed_at_any_moment_ends_as_one_that_was_not(run, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    uncut = run(whole)
    killed = 0
    for moment in moments(seed=5, count=4):
        process = run(cut, moment)
        _, err = process.communicate(timeout=300)
        assert process.returncode in (0, -signal.SIGKILL), err[-2000:]
        killed += process.returncode != 0
    assert killed >= 2
    done = run(cut)
    out, err = done.communicate(timeout=300)
    assert done.returncode == 0, err[-2000:]
    assert "going on from" in out or "complete" in out
    uncut.communicate(timeout=300)
    assert uncut.returncode == 0

    assert [row["epoch"] for row in read_metrics(whole / "metrics.csv")] == ["1", "2", "3"]
    for name in ("metrics.csv", "config.json", "evaluation.json"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name
    figures = sorted(path.name for path in (whole / "figures").iterdir())
    assert len(figures) == 5
    assert sorted(path.name for path in (cut / "figures").iterdir()) == figures
    for name in figures:
        assert (cut / "figures" / name).read_bytes() == (whole / "figures" / name).read_bytes()
    one, other = state(cut), state(whole)
    assert len(one) == len(other) > 10
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
    files = {path.name for path in (cut / "checkpoints").iterdir()}
    assert files == {path.name for path in (whole / "checkpoints").iterdir()}
    assert len(files) == 6  # the newest two and the best, each with its record
    assert not list(cut.rglob("part-*"))
