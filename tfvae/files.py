"""Files that are there whole or not at all, whenever the machine stops; links are not followed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tfvae.data.files import sha256
from tfvae.errors import UserError, one_line

__all__ = [
    "PART",
    "checksum",
    "is_regular",
    "kind_of",
    "open_regular",
    "read_json",
    "read_text",
    "set_aside",
    "system_error",
    "write_whole",
    "written_whole",
]

PART = "part-"
MOST = 1 << 28  # bytes; this package writes no larger text file
KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# Flags that a system does not have are left out.
NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
NO_LINK = getattr(os, "O_NOFOLLOW", 0)


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Gives a path to write to; what is there at the block's end takes the place of the file.

    It is on the disk before it has the name: a power cut leaves the old file or the new one. A link
    that has the name is replaced, and the file that it leads to stays as it is.

    Args:
        path: The file.

    Raises:
        UserError: If a directory, a FIFO or a device has the name; or one of these or a link the
            name of the part file, `part-` and the file's name.

    Example:
        >>> with written_whole(Path("m.keras")) as part:
        ...     vae.save(part)
    """
    kind = kind_of(path)
    if kind not in (None, "a file", "a link"):
        raise UserError(f"{str(path)!r} is {kind}, and a file is to be written there: remove it")
    part = _new_part(path)
    try:
        yield part
        _on_disk(part)
        os.replace(part, path)
        _on_disk(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _new_part(path: Path) -> Path:
    """An empty file that was not there before."""
    part = path.with_name(PART + path.name)  # the ending stays: writers go by it
    kind = kind_of(part)
    if kind == "a file":  # left behind by a process that was killed
        part.unlink()
    elif kind is not None:
        raise UserError(f"{str(part)!r} is {kind}, and a file is to be written there: remove it")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK, 0o666))
    return part


def write_whole(path: Path, text: str) -> None:
    """Writes a text file so that it is there whole or not at all."""
    with written_whole(path) as part:
        part.write_text(text, "utf-8", newline="")


def kind_of(path: Path) -> str | None:
    """What kind of thing has a name; a link is a link, whatever it leads to.

    Args:
        path: The name.

    Returns:
        Such as `"a file"`, `"a link"`, `"a directory"`; None for nothing.
    """
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    return KINDS.get(stat.S_IFMT(mode), "a file")


def is_regular(path: Path) -> bool:
    """Whether a name is that of a file, and not of a link to one."""
    return kind_of(path) == "a file"


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Opens a file to be read, which a link may lead to: no directory, device or FIFO.

    Args:
        path: The file.

    Raises:
        UserError: If it is something else, which might give bytes without end, or none for ever.
        OSError: If it cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY | NO_WAIT)
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise UserError(f"it is {KINDS.get(stat.S_IFMT(mode), 'something else')}, and no file")
    with open(handle, "rb") as file:
        yield file


def read_text(path: Path) -> str:
    """Reads a text file.

    Args:
        path: The file.

    Raises:
        UserError: If it is no file, is larger than any of ours, or no text; the reason without the
            name.
        OSError: If it cannot be read.
    """
    with open_regular(path) as file:
        content = file.read(MOST + 1)
    if len(content) > MOST:
        raise UserError(f"it has more than {MOST >> 20} MB")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"it is no text: byte {error.start} is {content[error.start]:#x}") from None


def read_json(path: Path) -> object:
    """Reads a JSON file.

    Args:
        path: The file.

    Returns:
        What it holds.

    Raises:
        UserError: If it is no JSON; the reason without the name.
        OSError: If it cannot be read.
    """
    try:
        return json.loads(read_text(path))
    except RecursionError:
        raise UserError("it is nested too deeply") from None
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"it is no JSON: {one_line(error, 100)}") from None


def set_aside(path: Path) -> Path:
    """Gives something that is damaged another name, so that nothing is lost.

    Args:
        path: The file, or whatever has its name.

    Returns:
        The new path, such as `metrics.csv.damaged-1`.
    """
    number = 1
    while kind_of(aside := path.with_name(f"{path.name}.damaged-{number}")) is not None:
        number += 1
    os.rename(path, aside)
    return aside


def checksum(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with open_regular(path) as file:
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
