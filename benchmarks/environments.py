"""Virtual environments for the peers, made once and kept."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = ["pythons"]

# PyTorch's own index has the builds for CPU alone; where it cannot be reached, that of PyPI.
CPU_BUILDS = ("--extra-index-url=https://download.pytorch.org/whl/cpu", "--retries=1")
# Environment -> what is installed one after the other.
ENVIRONMENTS = {
    "torch": [("torch", *CPU_BUILDS), ("numpy",), ("pythae",)],
    "jax": [("jax[cpu]",), ("optax",)],
}
NEEDS = {"torch_eager": "torch", "pythae_trainer": "torch", "jax_scan": "jax"}
CHECK = "import sys, importlib.metadata as m; [m.version(name) for name in sys.argv[1:]]"


def pythons(
    contestants: Iterable[str], folder: Path, say: Callable[[str], None] = print
) -> dict[str, str]:
    """Finds or makes the environments.

    Args:
        contestants: Modules in `benchmarks.contestants`, with `:2` or without.
        folder: Where the environments are.
        say: Takes lines on how it goes.

    Returns:
        Contestant -> the interpreter that has its libraries.
    """
    found = {}
    for contestant in {name.partition(":")[0] for name in contestants}:
        name = NEEDS.get(contestant)
        found[contestant] = sys.executable if name is None else _python(folder / name, say)
    return found


def _python(path: Path, say: Callable[[str], None]) -> str:
    python = path.resolve() / "bin" / "python"
    steps = ENVIRONMENTS[path.name]
    names = [step[0].partition("[")[0] for step in steps]
    if (
        python.exists()
        and not subprocess.run(
            [python, "-c", CHECK, *names], stderr=subprocess.DEVNULL, check=False
        ).returncode
    ):
        return str(python)
    say(f"installing {', '.join(names)} into {path} ...")
    venv.create(path, with_pip=True)
    for step in steps:
        subprocess.run([python, "-m", "pip", "install", "--quiet", *step], check=True)
    return str(python)
