import contextlib
import os
import signal
from types import SimpleNamespace

import pytest
import tensorflow as tf

import tfvae
from tfvae import distribute
from tfvae.runs import callbacks, default_config, loop
from tfvae.runs.rows import read_metrics

TINY = {
    "train_split": "train[:96]",
    "test_split": "test[:40]",
    "batch_size": 16,  # six batches an epoch
    "hidden": (8,),
    "latent_dim": 2,
    "epochs": 3,
    "panels_every": 0,
    "steps_per_execution": 1,
    "evaluation.samples": 2,
    "evaluation.examples": 20,
}
TIMES = ("seconds", "images_per_second")


@pytest.fixture
def tiny_fields():
    """The fields of a configuration of a second, for a process of its own."""
    return dict(TINY)


@pytest.fixture
def tiny():
    """Makes a configuration of a second; a dot in a field's name is written as two underscores."""

    def make(changes=(), **fields):
        config = default_config()
        fields = {name.replace("__", "."): value for name, value in fields.items()}
        config.update_from_flattened_dict({**TINY, **dict(changes), **fields})
        return config

    return make


@contextlib.contextmanager
def eagerly():
    """Nothing is traced: what is done few times is sooner done so."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture
def eager():
    with eagerly():
        yield


@pytest.fixture
def train(monkeypatch, mirrored):
    """Trains; returns the lines that were said. No figures: they take longer than the training."""
    monkeypatch.setattr(loop, "draw_figures", lambda *args: [])
    monkeypatch.setattr(loop, "evaluate_likelihood", eagerly()(loop.evaluate_likelihood))
    strategy_of = distribute.strategy
    monkeypatch.setattr(
        distribute,
        "strategy",
        lambda name: mirrored if name == "mirrored" else strategy_of(name),
    )

    def call(config, workdir, *, strategy="one_device"):
        said = []
        loop.train_and_evaluate(config, workdir, strategy=strategy, verbose=0, say=said.append)
        return said

    return call


@pytest.fixture
def stop_after(monkeypatch):
    """Lets SIGINT, or another signal, reach this process after so many batches of the run."""

    def at(batches, number=signal.SIGINT):
        class Counter(callbacks.EpochOfData):
            sent = False

            def on_train_batch_end(self, batch, logs=None):
                super().on_train_batch_end(batch, logs)
                if self.batches >= batches and not self.sent:
                    self.sent = True
                    os.kill(os.getpid(), number)

        monkeypatch.setattr(loop, "EpochOfData", Counter)

    return at


@pytest.fixture
def result():
    """What a run left: weights and optimizer state by path, and its rows without their times."""

    def read(workdir):
        vae = tfvae.load(workdir / "model.keras")
        state = [v.numpy() for v in (*vae.weights, *vae.optimizer.variables)]
        rows = read_metrics(workdir / "metrics.csv")
        times = read_metrics(workdir / "times.csv")
        assert [row.pop("epoch") for row in times] == [row["epoch"] for row in rows]
        times = [{name: float(row[name]) for name in TIMES} for row in times]
        return SimpleNamespace(vae=vae, state=state, rows=rows, times=times)

    return read
