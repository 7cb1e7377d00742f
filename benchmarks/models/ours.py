"""Trains a recipe as `tfvae-train` does, with each seed, and writes what it reached as JSON.

    python -m benchmarks.models.ours NAME FOLDER [SEEDS]

A process of its own for each recipe: what one does wrong is no concern of the next.
"""

from __future__ import annotations

import importlib.metadata
import sys
import tempfile
import time
from pathlib import Path

from tfvae.cli.quiet import import_quietly

import_quietly()

import keras  # noqa: E402
import numpy as np  # noqa: E402

import tfvae  # noqa: E402
from benchmarks.models.budget import BUDGET, OWN, samples, seeds  # noqa: E402
from benchmarks.models.measures import measure  # noqa: E402
from benchmarks.models.rows import values_text, write_answer  # noqa: E402
from benchmarks.models.strips import write_strip  # noqa: E402
from configs.models import get_config  # noqa: E402
from tfvae.errors import UserError  # noqa: E402
from tfvae.runs.build import load_data  # noqa: E402
from tfvae.runs.loop import train_and_evaluate  # noqa: E402
from tfvae.runs.rows import read_metrics  # noqa: E402

KEPT = ("loss", "elbo", "val_loss", "val_elbo", "val_distortion", "val_rate")


def config_of(name: str, seed: int):
    """The configuration that the command stands for."""
    config = get_config()
    config.recipe, config.seed = name, seed
    # The run's own table is not used: what is below is on the same images for all seeds.
    config.evaluation.samples = config.evaluation.examples = 1
    for field, value in OWN.get(name, {}).items():
        group, _, last = field.rpartition(".")
        (config[group] if group else config)[last] = value
    return config


def test_images(name: str):
    """The test images as the recipe takes them: binarized once, the same for every seed."""
    config = config_of(name, seed=0)
    config.binarization = "static"
    return load_data(config, f"test[:{BUDGET.images}]")


def run(name: str, seed: int, strip: Path | None) -> tuple[dict, np.ndarray]:
    """Trains and evaluates with one seed."""
    keras.backend.clear_session()
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        config = config_of(name, seed)
        train_and_evaluate(config, folder, strategy="one_device", verbose=0, say=lambda line: None)
        seconds = time.process_time() - begin
        vae = tfvae.load(Path(folder) / "model.keras")
        history = [
            {key: float(row[key]) for key in KEPT if key in row}
            for row in read_metrics(Path(folder) / "metrics.csv")
        ]
    found, each = measure(vae, test_images(name), samples=samples(name))
    if strip is not None:
        try:
            write_strip(vae, strip, labels=tfvae.recipes.takes_labels(name))
        except UserError as error:
            found["no_samples"] = str(error)
    return {"seed": seed, "seconds": round(seconds, 1), **found, "history": history}, each


def main(name: str, folder: str, chosen: str = "") -> None:
    """Writes `row.json` and `strip.png` into the folder."""
    runs, values = [], []
    for seed in map(int, chosen.split(",")) if chosen else seeds(name):
        strip = None if runs else Path(folder) / "strip.png"
        found, each = run(name, seed, strip)
        runs.append(found)
        values.append(each)
    versions = {n: importlib.metadata.version(n) for n in ("tensorflow", "keras")}
    row = {"versions": {"tfvae": tfvae.__version__, **versions}, "runs": runs}
    if len(runs) > 1 and all(len(each) for each in values):
        row["log_prob_of_each_image"] = values_text(np.mean(values, axis=0))
    write_answer(Path(folder), row)


if __name__ == "__main__":
    main(*sys.argv[1:])
