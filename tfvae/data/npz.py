"""`npz:FILE[#key]`: arrays in a file of numpy's."""

from __future__ import annotations

import zipfile

import numpy as np

from tfvae.data.array_source import array_source
from tfvae.data.files import find_path
from tfvae.data.registry import Request, register
from tfvae.data.source import ArraySource
from tfvae.errors import UserError, one_line

__all__ = ["npz", "read_npz"]

LARGE, EXPANSION = 1 << 30, 200  # bytes, and the compression that black images reach


def npz(request: Request) -> ArraySource:
    """Makes the source of a file's arrays.

    With `x_train` and `x_test` in the file, these are the splits. Otherwise one array is split
    90/10: the one that the key names, else `x`, else the only one.
    """
    file, _, key = request.argument.partition("#")
    path = find_path(file, request.data_dir, kind="file")
    arrays = read_npz(path)
    if key:
        if key not in arrays:
            raise UserError(f"there is no array {key!r} in {path}: it has {_listed(arrays)}")
        label = "y" + key[1:] if key.startswith("x") else "y"
        arrays = {"x": arrays[key], "y": arrays.get(label)}
    elif not {"x_train", "x_test"} <= arrays.keys():
        only = [name for name in arrays if not name.startswith("y")]
        name = "x" if "x" in arrays else only[0] if len(only) == 1 else None
        if name is None:
            raise UserError(
                f"cannot tell which array of {path} is meant, it has {_listed(arrays)}: "
                f"add one to the name, as in '{request.name}#{(only or ['x'])[0]}'"
            )
        arrays = {"x": arrays[name], "y": arrays.get("y")}
    return array_source(request.name, arrays)


def read_npz(path: str) -> dict[str, np.ndarray]:
    """Reads all arrays of an .npz file; an .npy file is one array named x. Never unpickles."""
    try:
        if zipfile.is_zipfile(path):
            _refuse_bombs(path)
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"x": loaded}
        with loaded:
            arrays = {key: loaded[key] for key in loaded.files}
            if not all(isinstance(array, np.ndarray) for array in arrays.values()):
                raise UserError("it holds other files than arrays")
            return arrays
    except Exception as error:  # errors of numpy, zipfile, zlib and Python's tokenizer
        raise UserError(
            f"cannot read {path} as arrays of numbers: {one_line(error)}; write it with numpy.savez"
        ) from error


def _refuse_bombs(path: str) -> None:
    """Refuses a few bytes that would unpack to gigabytes."""
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.file_size > LARGE and info.file_size > EXPANSION * max(info.compress_size, 1):
                raise UserError(
                    f"{info.filename[:80]!r} in it would grow to {info.file_size} bytes"
                )


def _listed(arrays: dict[str, np.ndarray]) -> str:
    return ", ".join(arrays) or "none"


register("npz:", npz)
