"""One training in a folder at a time."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from tfvae.errors import UserError

__all__ = ["locked"]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock file while the block runs.

    The system's own lock (`flock`) is on it: whatever way the process ends, it is free again.

    Args:
        path: The lock file; its folder is there.

    Raises:
        UserError: If another process, or another training in this one, holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has none
        yield
        return
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read(200).strip() or "another process"
            raise UserError(
                f"{str(path.parent)!r} is being trained in by {owner}: wait for it, stop it, or "
                "give another --workdir"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
