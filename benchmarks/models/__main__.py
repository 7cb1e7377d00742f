"""Trains every recipe at one small budget, pythae's models beside it, and writes docs/models.md.

    python -m benchmarks.models [--only=NAME,...] [--redo] [--page] [--one_seed] [--nopeers]

Recipes are found by themselves; a run does what is missing, or failed before, and writes the page
from all results, which `benchmarks/models/rows` keeps. One training at a time, on one core: some
20 seconds for most, half a minute to a few minutes for those of many samples or steps.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
from pathlib import Path

from absl import app, flags

from benchmarks.environments import pythons
from benchmarks.models import rows
from benchmarks.models.budget import COMPARED, SEEDS, seeds
from benchmarks.models.training import ROOT, STRIPS, environment, train
from tfvae.cli.quiet import import_quietly

PAGE = ROOT / "docs" / "models.md"

_ONLY = flags.DEFINE_list("only", [], "Recipes; none: all.")
_REDO = flags.DEFINE_bool("redo", False, "Train those too whose results are there.")
_PAGE = flags.DEFINE_bool("page", False, "Write the page from the results, and train nothing.")
_ONE_SEED = flags.DEFINE_bool("one_seed", False, "One seed for all: a first look, no spread.")
_WITH_PEERS = flags.DEFINE_bool("peers", True, "Train pythae's models too.")
_PEERS_DIR = flags.DEFINE_string(
    "peers_dir", str(ROOT / ".venv-peers"), "Where the peers' environment is, or is made."
)
_SHEET = flags.DEFINE_string("sheet", None, "Write all strips of samples on one PNG, to look at.")


def _say(line: str) -> None:
    print(line, flush=True)


def _peers(images: Path) -> list[str]:
    """The command that trains a peer, and the images that it takes."""
    python = pythons(["pythae_trainer"], Path(_PEERS_DIR.value), _say)["pythae_trainer"]
    writing = [sys.executable, "-m", "benchmarks.models.images", str(images)]
    subprocess.run(writing, cwd=ROOT, env=environment(), check=True, capture_output=True)
    return [python, "-m", "benchmarks.models.peers", str(images)]


def _write_page() -> None:
    from benchmarks.models.page import page

    PAGE.write_text(page(PAGE), "utf-8")
    _say(f"written: {PAGE}")


def main(argv) -> int:
    """Trains what is missing, writes the page; 1 where a training failed."""
    del argv
    import_quietly()
    from tfvae import recipes

    unknown = sorted(set(_ONLY.value) - set(recipes.names()))
    if unknown:
        raise app.UsageError(f"no recipe: {', '.join(unknown)}")
    chosen = [] if _PAGE.value else _ONLY.value or recipes.names()

    def wanted(name: str) -> tuple[int, ...]:
        return SEEDS if _ONE_SEED.value else seeds(name)

    def missing(side: str, name: str) -> bool:
        return _REDO.value or not rows.is_done(side, name, seeds=wanted(name))

    with tempfile.TemporaryDirectory() as folder:
        peers = functools.cache(functools.partial(_peers, Path(folder) / "images.npz"))
        for name in chosen:
            if missing("tfvae", name):
                _say(
                    train(
                        "tfvae",
                        name,
                        [sys.executable, "-m", "benchmarks.models.ours"],
                        wanted(name),
                    )
                )
            if name in COMPARED and _WITH_PEERS.value and missing("pythae", name):
                _say(train("pythae", name, peers(), wanted(name)))
    _write_page()
    if _SHEET.value:
        from benchmarks.models.strips import contact_sheet

        _say("from the top: " + ", ".join(contact_sheet(STRIPS, Path(_SHEET.value))))
    failed = [n for n in chosen if not rows.is_done("tfvae", n, seeds=wanted(n))]
    if failed:
        _say(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    app.run(main)
