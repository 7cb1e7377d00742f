"""Files that are there whole or not at all, whenever the machine stops."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from tfvae.data.files import sha256

__all__ = ["PART", "checksum", "system_error", "write_whole", "written_whole"]

PART = "part-"


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Gives a path to write to; what is there at the block's end takes the place of the file.

    It is on the disk before it has the name: a power cut leaves the old file or the new one.

    Args:
        path: The file.

    Example:
        >>> with written_whole(Path("m.keras")) as part:
        ...     vae.save(part)
    """
    part = path.with_name(PART + path.name)  # the ending stays: writers go by it
    try:
        part.touch()  # nobody else writes it on a worker that is not the chief
        yield part
        _on_disk(part)
        os.replace(part, path)
        _on_disk(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_whole(path: Path, text: str) -> None:
    """Writes a text file so that it is there whole or not at all."""
    with written_whole(path) as part:
        part.write_text(text)


def checksum(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return sha256(file)


def system_error(error: BaseException | None) -> str | None:
    """What the system said, where an error in reading or writing is behind another.

    Args:
        error: Any error.

    Returns:
        Such as `"No space left on device"`; None where the system had no part in it.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno:
            return error.strerror or os.strerror(error.errno)
        # TensorFlow's own file system gives an error of its own with the same words.
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
            if f"; {os.strerror(number)}" in str(error):
                return os.strerror(number)
        error = error.__cause__ or error.__context__
    return None


def _on_disk(path: Path) -> None:
    """Waits until the file or the folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
