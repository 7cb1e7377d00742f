"""The folder that a worker of a cluster writes to."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from tfvae.distribute import workers
from tfvae.errors import UserError

__all__ = ["own_folder"]

# What a run reads of its folder when it goes on.
READ = (
    "config.json",
    "evaluation.json",
    ".checksums.json",
    "model.keras",
    "*.csv",
    "checkpoints/*.keras",
    "checkpoints/*.json",
)


@contextlib.contextmanager
def own_folder(strategy: tf.distribute.Strategy, workdir: str | os.PathLike) -> Iterator[Path]:
    """Gives the folder that this process works in: of several workers, the run's to the chief.

    Each of the others has a temporary one, with links to the files of the run's folder, so that
    all read the same files and take the same steps, and only the chief writes to the run's folder.

    Args:
        strategy: The strategy.
        workdir: The folder of the run.

    Raises:
        UserError: If a worker sees another folder than the chief does.
    """
    workdir = Path(workdir)
    if not workers.several_workers(strategy):
        yield workdir
        return
    found = (path for pattern in READ for path in workdir.glob(pattern))
    files = sorted(path for path in found if path.is_file())
    seen = [f"{path.relative_to(workdir)} {path.stat().st_size}" for path in files]
    mine = zlib.crc32("\n".join(seen).encode())
    if workers.from_chief(strategy, [mine]) != [mine]:
        raise UserError(
            f"this worker sees other files in --workdir={str(workdir)!r} than the chief does: put "
            "it on a file system that all workers share"
        )
    with contextlib.ExitStack() as stack:
        own = workdir
        if not workers.is_chief(strategy):
            own = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tfvae-worker-")))
            for path in files:
                link = own / path.relative_to(workdir)
                link.parent.mkdir(exist_ok=True)
                if path.suffix == ".keras":
                    link.symlink_to(path.resolve())
                else:
                    shutil.copyfile(path, link)
        workers.from_chief(strategy)  # no worker changes a file before all have read the folder
        yield own
        workers.from_chief(strategy)  # no worker leaves before the chief is done
