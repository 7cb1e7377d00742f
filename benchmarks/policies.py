"""The ELBO after training under each policy of numbers, and under XLA.

    python -m benchmarks.policies [--config=configs/mnist.py] [--epochs=10] [--seeds=3]

Every run is `tfvae-train`: in float32, in mixed precision, under XLA. Other roundings make another
path to another set of weights, so each is run with several seeds. Prints the mean of the ELBO on
the test split in nats, how far it is from float32's, with the standard error of the difference, and
the largest difference between two seeds of the same policy.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import app, flags

ROOT = Path(__file__).parents[1]
_CONFIG = flags.DEFINE_string("config", str(ROOT / "configs" / "mnist.py"), "Configuration.")
_EPOCHS = flags.DEFINE_integer("epochs", 10, "Epochs of each run.", 1)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of each, with seeds from 0.", 1)
_EXAMPLES = flags.DEFINE_integer("examples", 10_000, "Test images that the ELBO is taken on.", 1)
RUNS = {
    "float32": (),
    "XLA": ("--config.xla=True",),
    "mixed_bfloat16": ("--config.policy=mixed_bfloat16",),
    "mixed_float16": ("--config.policy=mixed_float16",),
}


def _elbo(options: tuple[str, ...], seed: int) -> float:
    """Trains in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder) / "run"
        subprocess.run(
            [
                *(sys.executable, "-m", "tfvae.cli.train", f"--config={_CONFIG.value}"),
                *(f"--workdir={workdir}", f"--config.seed={seed}"),
                *(f"--config.epochs={_EPOCHS.value}", "--config.panels_every=0"),
                *(f"--config.evaluation.examples={_EXAMPLES.value}", *options),
            ],
            check=True,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        return json.loads((workdir / "evaluation.json").read_text("utf-8"))["elbo"]


def main(argv) -> None:
    """Trains, prints."""
    del argv
    seeds = range(_SEEDS.value)
    elbos: dict[str, list[float]] = {name: [] for name in RUNS}
    for seed in seeds:
        for name, options in RUNS.items():
            elbos[name].append(_elbo(options, seed))
            print(f"seed {seed}, {name}: {elbos[name][-1]:.2f}", flush=True)
    base = np.array(elbos["float32"])
    print(f"{'':16}{'ELBO':>10}{'- float32':>12}{'s.e.':>8}{'seeds':>8}")
    for name in RUNS:
        own = np.array(elbos[name])
        error = np.sqrt((own.var(ddof=1) + base.var(ddof=1)) / len(own)) if len(own) > 1 else np.nan
        print(
            f"{name:16}{own.mean():10.2f}{own.mean() - base.mean():+12.2f}{error:8.2f}"
            f"{np.ptp(own):8.2f}"
        )


if __name__ == "__main__":
    app.run(main)
