"""Where a batch in two branches pays: the speed of `tfvae-train` with and without, by recipe.

    python -m benchmarks.branches [--recipes=vae,iwae] [--networks=mlp,conv] [--rounds=2]

Each run is `tfvae-train` with `--config.branches=1` (an operation has all the cores) or 2 (each
branch has its share), in turn. Prints the median of the epochs' images per second, and the ratio:
above 1, branches pay. A recipe whose loss looks across the batch is refused them, and left out.
"""

from __future__ import annotations

import csv
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from absl import app, flags

from tfvae.cli.quiet import import_quietly

ROOT = Path(__file__).parents[1]
_RECIPES = flags.DEFINE_list("recipes", None, "Names of recipes; None: all.")
_NETWORKS = flags.DEFINE_list("networks", ["mlp", "conv"], "Names of networks.")
_CONFIG = flags.DEFINE_string("config", str(ROOT / "configs" / "mnist.py"), "Configuration.")
_EXAMPLES = flags.DEFINE_integer("examples", 6000, "Training images.", 100)
_EPOCHS = flags.DEFINE_integer("epochs", 5, "Epochs of a run; the first one does not count.", 2)
_ROUNDS = flags.DEFINE_integer("rounds", 2, "Runs of each.", 1)


def _speeds(recipe: str, network: str, branches: int) -> list[float]:
    """Images per second of each epoch but the first; none where it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder) / "run"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tfvae.cli.train", f"--config={_CONFIG.value}"),
                *(f"--workdir={workdir}", f"--config.recipe={recipe}"),
                *(f"--config.network={network}", f"--config.branches={branches}"),
                *(f"--config.train_split=train[:{_EXAMPLES.value}]", "--config.panels_every=0"),
                *("--config.test_split=test[:100]", "--config.evaluation.samples=1"),
                *(f"--config.epochs={_EPOCHS.value}", "--config.vq_vae.prior_steps=1"),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            print(f"{recipe} {network}: {done.stderr.strip().splitlines()[-1]}")
            return []
        with (workdir / "times.csv").open() as file:
            return [float(row["images_per_second"]) for row in csv.DictReader(file)][1:]


def main(argv) -> None:
    """Measures, prints."""
    del argv
    import_quietly()
    from tfvae import recipes
    from tfvae.options import find

    print(f"{'':28}{'whole':>10}{'branches':>10}{'ratio':>8}  images per second")
    for network in _NETWORKS.value:
        for recipe in _RECIPES.value or recipes.names():
            if network != "mlp" and "network" not in find("recipe", recipe).arguments:
                continue
            speeds: dict[int, list[float]] = {1: [], 2: []}
            for _ in range(_ROUNDS.value):
                for branches, found in speeds.items():
                    found += _speeds(recipe, network, branches)
            if all(speeds.values()):
                whole, parts = (statistics.median(found) for found in speeds.values())
                line = f"{whole:10.0f}{parts:10.0f}{parts / whole:8.2f}"
                print(f"{recipe + ', ' + network:28}{line}", flush=True)


if __name__ == "__main__":
    app.run(main)
