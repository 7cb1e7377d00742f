"""The driver's side: starts the contestants, gives them their turns, compares their losses."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.workloads import TITLES, Workload

__all__ = ["Result", "disagreements", "race"]

ROOT = Path(__file__).parents[1]
# Its number is not the loss of the others: see the contestants' docstrings.
OTHER_LOSS = {("iwae", "pythae_trainer")}


@dataclasses.dataclass
class Result:
    """What a contestant did in a workload.

    Attributes:
        seconds: Of each round that counts.
        losses: Of each of them, nats per image.
        peak_mb: The most memory in any round, above what the process had before the first.
        versions: Of its libraries.
    """

    seconds: list[float] = dataclasses.field(default_factory=list)
    losses: list[float] = dataclasses.field(default_factory=list)
    peak_mb: float = 0.0
    versions: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)

    @property
    def loss(self) -> float:
        """The loss of the last round: all have taken the same number of steps by then."""
        return self.losses[-1]


class _Process:
    """A contestant in a process of its own."""

    def __init__(self, name: str, workload: Workload, python: str, images: str, folder: str):
        self.name = name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed in __exit__)
        command = [python, "-m", f"benchmarks.contestants.{name}"]
        command += [f"--workload={workload.name}", f"--steps={workload.steps}"]
        command += [f"--images={images}", f"--folder={folder}"]
        # Its warnings and progress bars are nobody's business unless it fails.
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def answer(self) -> dict:
        """Waits for the next line of the contestant."""
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"{self.name} failed:\n{self._errors.read()[-4000:]}")
        return json.loads(line)

    def run(self) -> dict:
        """Gives it a turn."""
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return self.answer()

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *failure) -> None:
        self._process.stdin.close()  # no more turns
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def race(
    workload: Workload,
    pythons: Mapping[str, str],
    images: str,
    folder: str,
    *,
    rounds: int,
    say: Callable[[str], None] = print,
) -> dict[str, Result]:
    """Measures a workload: A B C A B C, a round to warm up and those that count.

    Args:
        workload: The workload.
        pythons: Module of a contestant -> the interpreter that has its libraries.
        images: The file of the images.
        folder: For files of the contestants.
        rounds: How many rounds count.
        say: Takes lines on how it goes.

    Returns:
        The results, by contestant.

    Raises:
        RuntimeError: If a contestant fails.
    """
    results = {name: Result() for name in workload.contestants}

    def started(name: str) -> _Process:
        return _Process(name, workload, pythons[name.partition(":")[0]], images, folder)

    def note(name: str, answer: dict, *, key: str = "seconds", warm: bool = True) -> None:
        faults = f"  ({answer['faults']} pages from the disk)" if answer["faults"] else ""
        line = f"  {TITLES[name]:<38}{answer[key]:8.3f} s  of all cores {answer['cpu']:7.3f} s"
        say(f"{line}  loss {answer['loss']:9.3f}{faults}")
        results[name].peak_mb = max(results[name].peak_mb, answer["peak_mb"])
        if warm:
            results[name].seconds.append(answer[key])
            results[name].losses.append(answer["loss"])

    if workload.kind == "start":
        for turn in range(1 + rounds):  # the first one fills the disk cache
            for name in workload.contestants:
                with started(name) as process:
                    results[name].versions = process.answer()["versions"]
                    note(name, process.run(), key="since_begin", warm=turn > 0)
        return results

    processes: dict[str, _Process] = {}
    try:
        for name in workload.contestants:  # they start side by side
            processes[name] = started(name)
        for name, process in processes.items():
            results[name].versions = process.answer()["versions"]
        for turn in range(1 + rounds):  # the first one compiles
            for name, process in processes.items():
                note(name, process.run(), warm=turn > 0)
    finally:
        for process in processes.values():
            process.__exit__()
    return results


def disagreements(workload: Workload, results: Mapping[str, Result]) -> list[str]:
    """What is wrong with the losses after the same number of steps.

    Args:
        workload: The workload.
        results: The results, by contestant.

    Returns:
        A line for each contestant whose loss is not that of the others; none: all is well.
    """
    losses = {
        name: result.loss
        for name, result in results.items()
        if name != "products" and (workload.name, name) not in OTHER_LOSS
    }
    middle = statistics.median(losses.values())
    return [
        f"{workload.name}: {TITLES[name]} has a loss of {loss:.3f}, the median of all is "
        f"{middle:.3f}: more than {workload.tolerance:.1%} apart"
        for name, loss in losses.items()
        if not math.isclose(loss, middle, rel_tol=workload.tolerance)
    ]
