"""One training in a folder at a time."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from tfvae.errors import UserError
from tfvae.files import NO_LINK, NO_WAIT, kind_of

__all__ = ["locked"]

OWNER = re.compile(rb"(process \d+ on [^\n]*\n)?")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock file while the block runs.

    The system's own lock (`flock`) is on it: whatever way the process ends, it is free again. The
    owner is written into the file; a file that holds anything else stays as it is.

    Args:
        path: The lock file; its folder is there.

    Raises:
        UserError: If another process, or another training in this one, holds it; or what has the
            name is a link, or no lock file.
    """
    try:
        import fcntl
    except ImportError:  # Windows has none
        yield
        return
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK | NO_WAIT, 0o666)
    except OSError as error:
        kind = kind_of(path)
        if kind in (None, "a file"):
            raise
        raise _no_lock_file(path, f"is {kind}") from error
    info = os.fstat(handle)
    if not stat.S_ISREG(info.st_mode) or info.st_nlink > 1:
        os.close(handle)
        kind = "a hard link to a file" if stat.S_ISREG(info.st_mode) else kind_of(path)
        raise _no_lock_file(path, f"is {kind}")
    with open(handle, "r+b") as file:
        content = file.read(1000)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = content[:200].decode("utf-8", "replace").strip() or "another process"
            raise UserError(
                f"{str(path.parent)!r} is being trained in by {owner}: wait for it, stop it, or "
                "give another --workdir"
            ) from None
        if not OWNER.fullmatch(content):
            raise _no_lock_file(path, "holds something else than the name of a process")
        file.seek(0)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        file.flush()
        yield


def _no_lock_file(path: Path, what: str) -> UserError:
    return UserError(f"{str(path)!r} {what} and cannot be the run's lock file: remove it")
