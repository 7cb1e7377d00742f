"""Virtual environments for the peers, made once and kept."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = ["pythons"]

# Environment -> what is installed.
ENVIRONMENTS = {"torch": ("torch", "numpy", "pythae"), "jax": ("jax[cpu]", "optax")}
# The build without CUDA, some gigabytes less, is on PyTorch's own index; where that cannot be
# reached, the one of PyPI does as well.
CPU_BUILD = (
    "--no-deps",
    "--index-url=https://download.pytorch.org/whl/cpu",
    "--retries=1",
    "torch",
)
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
    packages = ENVIRONMENTS[path.name]
    names = [package.partition("[")[0] for package in packages]
    if (
        python.exists()
        and not subprocess.run(
            [python, "-c", CHECK, *names], stderr=subprocess.DEVNULL, check=False
        ).returncode
    ):
        return str(python)
    say(f"installing {', '.join(names)} into {path} ...")
    venv.create(path, with_pip=True)
    install = [python, "-m", "pip", "install", "--quiet"]
    if "torch" in names:
        subprocess.run([*install, *CPU_BUILD], stderr=subprocess.DEVNULL, check=False)
    subprocess.run([*install, *packages], check=True)
    return str(python)
