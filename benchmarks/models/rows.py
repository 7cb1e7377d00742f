"""The results on disk: a JSON file for each recipe, and for each of its peers.

Standard library and NumPy alone: the peers import this in an environment of their own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.models.budget import BUDGET, command, seeds

__all__ = [
    "ROWS",
    "SIDES",
    "answer",
    "is_done",
    "path_of",
    "read",
    "values_of",
    "values_text",
    "write",
    "write_answer",
]

ROWS = Path(__file__).parent / "rows"
SIDES = ("tfvae", "pythae")


def path_of(side: str, name: str, folder: Path | None = None) -> Path:
    """Where a recipe's row is; `side` is one of `SIDES`."""
    return (folder or ROWS) / side / f"{name}.json"


def read(side: str, name: str, folder: Path | None = None) -> dict | None:
    """A recipe's row; None where there is none."""
    path = path_of(side, name, folder)
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def write(side: str, name: str, row: dict, folder: Path | None = None) -> None:
    """Writes a row, with what it was asked for: budget, command, seeds."""
    path = path_of(side, name, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    trained = {"seeds": [run["seed"] for run in row.get("runs", ())]}
    row = {"recipe": name, **_asked(name), **trained, **row}
    path.write_text(json.dumps(row, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _asked(name: str) -> dict:
    budget = dataclasses.asdict(BUDGET)
    return json.loads(
        json.dumps({"command": command(name), "budget": budget, "seeds": seeds(name)})
    )


def is_done(
    side: str, name: str, folder: Path | None = None, *, seeds: Sequence[int] | None = None
) -> bool:
    """Whether a row is there, of today's budget and command, and of a training that worked.

    With the seeds that it should have, or more than `seeds` where these are given.
    """
    row = read(side, name, folder)
    asked = _asked(name)
    if row is not None and seeds is not None and set(seeds) <= set(row["seeds"]):
        asked["seeds"] = row["seeds"]
    return (
        row is not None
        and not row.get("error")
        and all(row.get(key) == value for key, value in asked.items())
    )


def write_answer(folder: Path, row: dict) -> None:
    """Writes what a training process found as `row.json`, rounded to what is worth keeping."""
    rounded = json.loads(json.dumps(row), parse_float=lambda text: round(float(text), 4))
    (folder / "row.json").write_text(json.dumps(rounded), "utf-8")


def answer(folder: Path) -> dict | None:
    """What `write_answer` wrote; None where the process did not come to it."""
    path = folder / "row.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def values_text(values: Sequence[float]) -> str:
    """A number for each image in one line, for the differences between two models."""
    return " ".join(f"{value:.1f}" for value in values)


def values_of(text: str) -> list[float]:
    """The numbers of `values_text`."""
    return [float(value) for value in text.split()]
