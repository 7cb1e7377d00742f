"""Where dataset files are looked for, and whether their bytes are those that were written."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import BinaryIO

from tfvae.errors import MissingFileError, UserError

__all__ = [
    "DATA_DIR_VARIABLE",
    "candidates",
    "check_regular",
    "data_folders",
    "find_path",
    "sha256",
]

DATA_DIR_VARIABLE = "TFVAE_DATA_DIR"
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def data_folders(data_dir: str | os.PathLike | None) -> list[str]:
    """Lists the data folders: the one given, then the one that the environment names."""
    folders = []
    if data_dir is not None:
        folder = os.path.expanduser(os.fspath(data_dir))
        if not os.path.isdir(folder):
            raise MissingFileError(f"data_dir is {folder!r}: there is no such folder")
        folders.append(folder)
    if os.environ.get(DATA_DIR_VARIABLE):
        folders.append(os.path.expanduser(os.environ[DATA_DIR_VARIABLE]))
    return folders


def find_path(path: str, data_dir: str | os.PathLike | None, *, kind: str) -> str:
    """Finds a file or folder in the working folder or in the data folders.

    Args:
        path: A path, absolute or relative to one of these folders.
        data_dir: The data folder given, or `None`.
        kind: What it is, `"file"` or `"folder"`.

    Returns:
        The path at which it is.
    """
    exists = os.path.lexists if kind == "file" else os.path.isdir
    places = candidates(path, data_dir)
    for place in places:
        if exists(place):
            if kind == "file":
                check_regular(place)
            return place
    raise MissingFileError(f"there is no {kind} {path!r}: looked for {' and '.join(places)}")


def candidates(path: str, data_dir: str | os.PathLike | None) -> list[str]:
    """Lists the places where a relative path may be; an absolute path or a URL is its own."""
    path = os.path.expanduser(path)
    if os.path.isabs(path) or "://" in path:
        return [path]
    return [path, *(os.path.join(folder, path) for folder in data_folders(data_dir))]


def check_regular(path: str | os.PathLike) -> None:
    """Refuses a device, a pipe or a folder before it is opened: reading might never end.

    Args:
        path: A path at which something is, or a URL, which is not looked at.

    Raises:
        UserError: If it is a folder, a link to nothing, a pipe, a device or a socket, or cannot be
            looked at.
    """
    path = os.fspath(path)
    if "://" in path:
        return
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError as error:
        kind = "a link to nothing" if os.path.islink(path) else "gone"
        raise MissingFileError(f"{path} is {kind}: restore it, or take it away") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        kind = next((word for test, word in _KINDS if test(mode)), "no file")
        raise UserError(f"{path} is {kind}: name a file, or take it away")


def sha256(file: BinaryIO) -> str:
    """The SHA-256 of what is left in an open file, in hexadecimal digits; a block at a time."""
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
