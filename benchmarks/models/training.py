"""A training as a process of its own: on one core, within a limit, with an answer in any case."""

from __future__ import annotations

import functools
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.models import rows

__all__ = ["ROOT", "STRIPS", "environment", "train"]

ROOT = Path(__file__).parents[2]
STRIPS = ROOT / "docs" / "figures" / "models"
LIMIT = 600  # seconds of the processor for a seed
THREADS = (
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
)
ONE_CORE = dict.fromkeys(THREADS, "1")


def environment() -> dict[str, str]:
    """That of the training processes: one core, and our modules are found."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, **ONE_CORE, "PYTHONPATH": path}


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].replace(f"{ROOT}/", "")[:300] if lines else "no word of it"


def _limit(seconds: int) -> None:
    """Ends the process after that much of the processor's time, however busy the machine is."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 10))


def train(side: str, name: str, process: list[str], seeds: Sequence[int]) -> str:
    """Runs a training process and keeps its row; a failure is a row as well.

    Args:
        side: `"tfvae"` or `"pythae"`.
        name: The recipe.
        process: The command, which gets the name, a folder and the seeds behind it: it leaves
            `row.json` there, and ours `strip.png`.
        seeds: To train with.

    Returns:
        A line on how it went.
    """
    begin, path = time.monotonic(), STRIPS / f"{name}.png"
    with tempfile.TemporaryDirectory() as folder:
        arguments = [name, folder, ",".join(map(str, seeds))]
        done = subprocess.run(
            [*process, *arguments], cwd=ROOT, env=environment(), capture_output=True, text=True,
            check=False, preexec_fn=functools.partial(_limit, LIMIT * len(seeds)),
        )  # fmt: skip
        row = rows.answer(Path(folder))
        if row is None and done.returncode == -signal.SIGXCPU:
            row = {"error": f"not ready after {LIMIT} seconds for a seed"}
        elif row is None:
            row = {"error": _last_line(done.stderr)}
        if (strip := Path(folder) / "strip.png").exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(strip, path)
    rows.write(side, name, row)
    return f"{side} {name}: {row.get('error', 'done')} ({time.monotonic() - begin:.0f} s)"
