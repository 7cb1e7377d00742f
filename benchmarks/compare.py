"""tfvae beside its peers, in turn, on the same data and the same mathematics.

    make benchmark
    python -m benchmarks.compare [--workloads=mlp,conv] [--rounds=5] [--contestants=fit,jax_scan]

Every contestant is a process of its own; all start from the same weights, take their turns A B C
A B C, and have to come to the same loss. The whole run writes `benchmarks/RESULTS.md`; a part of
it prints alone, unless `--results` names a file.
"""

from __future__ import annotations

import dataclasses
import datetime
import shlex
import sys
import tempfile
import time
from pathlib import Path

from absl import app, flags

from benchmarks.environments import pythons
from benchmarks.machine import describe_machine, load
from benchmarks.race import Result, disagreements, race
from benchmarks.report import growth_table, keep_notes, table, targets_table
from benchmarks.workloads import TITLES, WORKLOADS

ROOT = Path(__file__).parents[1]
_WORKLOADS = flags.DEFINE_list("workloads", list(WORKLOADS), f"Of {', '.join(WORKLOADS)}.")
_CONTESTANTS = flags.DEFINE_list("contestants", list(TITLES), f"Of {', '.join(TITLES)}.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds that count, behind one to warm up.", 1)
_STEPS = flags.DEFINE_integer("steps", None, "Steps in a round, instead of the workload's.", 1)
_PEERS_DIR = flags.DEFINE_string(
    "peers_dir", str(ROOT / ".venv-peers"), "Where the peers' environments are, or are made."
)
_IMAGES = flags.DEFINE_string(
    "images", None, ".npz file with x_train and x_test, uint8 [n, height, width, 1]; None: MNIST."
)
_RESULTS = flags.DEFINE_string("results", None, "Page to write; RESULTS.md after a whole run.")
BUSY = 0.5

INTRODUCTION = """\
# tfvae beside its peers

Written by `make benchmark`; only the part at the end is written by hand. All contestants start from
the same weights, see the same images, binarized anew at each step, and minimise the same loss with
Adam(1e-3, epsilon 1e-7). Each is a process of its own; they take their turns one after the other,
and the first round, which compiles, does not count. *Seconds* are the median of the rounds;
*ratio* is these seconds over those of tfvae: above 1, tfvae is faster. *Loss* is the mean over the
steps of the last round. How each contestant is written stands in its file in
`benchmarks/contestants`.
"""


def _say(line: str) -> None:
    print(line, flush=True)


def _write_images(path: str, count: int) -> None:
    """Writes MNIST's training images, as many as are needed, and a few of its test images."""
    import numpy as np

    from tfvae.cli.quiet import import_quietly

    import_quietly()
    import tfvae

    arrays = {}
    for split, size in [("train", count), ("test", 100)]:
        data = tfvae.data.load(
            "mnist",
            f"{split}[:{size}]",
            batch_size=size,
            shuffle=False,
            binarization="none",
            values="levels",
        )
        arrays[f"x_{split}"] = next(iter(data)).numpy().astype(np.uint8)
    np.savez(path, **arrays)


def _chosen() -> list:
    for given, known in [(_WORKLOADS.value, WORKLOADS), (_CONTESTANTS.value, TITLES)]:
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise app.UsageError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = []
    for name in _WORKLOADS.value:
        workload = WORKLOADS[name]
        here = tuple(who for who in workload.contestants if who in _CONTESTANTS.value)
        steps = workload.steps if workload.kind != "train" else _STEPS.value or workload.steps
        if here:
            chosen.append(dataclasses.replace(workload, contestants=here, steps=steps))
    return chosen


def _page(measured: dict[str, dict[str, Result]], chosen: list, about: str, wrong: list) -> str:
    """The page, without what is written by hand."""
    parts = [INTRODUCTION, about, "## Targets\n", targets_table(measured) + "\n"]
    if wrong:
        parts += ["**The losses differ:**\n", *(f"- {line}" for line in wrong), ""]
    for workload in chosen:
        steps = f", {workload.steps} steps a round" if workload.kind == "train" else ""
        parts += [f"## {workload.title}{steps}\n", table(workload, measured[workload.name]) + "\n"]
    growth = growth_table(measured)
    if growth:
        parts += ["## (5) How cost grows with the batch\n", growth + "\n"]
    return "\n".join([*parts, "## What is missed, and why"])


def _about(measured: dict[str, dict[str, Result]], busy: float, minutes: float) -> str:
    """Machine, versions, command."""
    versions = {}
    for results in measured.values():
        for result in results.values():
            versions |= result.versions
    command = " ".join(["python -m benchmarks.compare", *map(shlex.quote, sys.argv[1:])])
    lines = [
        f"- {datetime.date.today()}, {describe_machine()}",
        f"- {', '.join(f'{name} {version}' for name, version in versions.items())}",
        f"- `{command}`: {_ROUNDS.value} rounds, {minutes:.0f} minutes",
    ]
    if busy > BUSY:
        lines.append(f"- **the machine was busy (load {busy:.1f}): the ratios are not reliable**")
    return "\n".join(lines) + "\n"


def main(argv) -> int:
    """Measures, prints, writes; 1 where the losses differ."""
    del argv
    chosen, busy, start = _chosen(), load(), time.monotonic()
    who = {name for workload in chosen for name in workload.contestants}
    interpreters = pythons(who, Path(_PEERS_DIR.value))
    measured, wrong = {}, []
    with tempfile.TemporaryDirectory() as folder:
        images = _IMAGES.value or str(Path(folder) / "images.npz")
        if not _IMAGES.value:
            _write_images(images, max(workload.batch * workload.steps for workload in chosen))
        for workload in chosen:
            _say(f"\n{workload.title}")
            measured[workload.name] = race(
                workload, interpreters, images, folder, rounds=_ROUNDS.value, say=_say
            )
            wrong += disagreements(workload, measured[workload.name])
            _say("\n" + table(workload, measured[workload.name]))
    minutes = (time.monotonic() - start) / 60
    about = _about(measured, busy, minutes)
    print(f"\n{about}\n{targets_table(measured)}\n\n{growth_table(measured) or ''}")
    whole = set(_WORKLOADS.value) == set(WORKLOADS) and set(_CONTESTANTS.value) == set(TITLES)
    path = _RESULTS.value or (whole and str(ROOT / "benchmarks" / "RESULTS.md"))
    if path:
        text = keep_notes(Path(path), _page(measured, chosen, about, wrong))
        Path(path).write_text(text, "utf-8")
        print(f"written: {path}")
    for line in wrong:
        print(f"LOSSES DIFFER: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    app.run(main)
