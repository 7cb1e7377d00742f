"""A digest of a dataset: whether two processes, or two days, have the same data under one name."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tfvae.data.registry import Request, find
from tfvae.data.source import ArraySource, Source

__all__ = ["fingerprint"]

STATS = 20_000  # files whose sizes are looked at
READ = 64  # files whose bytes are read
BYTES = 1 << 18  # bytes read of each, from the front and from the end


def fingerprint(
    name: str,
    *,
    data_dir: str | os.PathLike | None = None,
    size: tuple[int, int] | None = None,
    damaged: str = "refuse",
) -> str:
    """Makes a digest of what a dataset holds.

    Of arrays it is that of all their bytes. Of files that are read as training goes it is that of
    their names and sizes (of 20,000 of them, evenly spaced), and of 64 of them, evenly spaced, of
    256 kB from the front and from the end: files that differ elsewhere, and have the same size,
    pass for the same.

    Args:
        name: As for `tfvae.data.load`.
        data_dir: As for `tfvae.data.load`.
        size: As for `tfvae.data.load`.
        damaged: As for `tfvae.data.load`.

    Returns:
        32 hexadecimal digits.

    Example:
        >>> fingerprint("digits") == fingerprint("digits")
        True
    """
    source = find(Request(name, data_dir=data_dir, size=size, damaged=damaged))
    digest = hashlib.sha256()
    fields = dataclasses.asdict(source.info)
    fields.pop("name")  # the path is another on another machine
    digest.update(repr(sorted(fields.items())).encode())
    for part in _content(source):
        digest.update(part)
    return digest.hexdigest()[:32]


def _content(source: Source) -> Iterator[bytes | memoryview]:
    """What else tells a dataset from another."""
    if isinstance(source, ArraySource):
        for array in source.arrays():
            if array is not None:
                array = np.ascontiguousarray(array)
                yield f"{array.dtype.str}{array.shape}".encode()
                yield array.tobytes()
        return
    paths = source.paths(STATS)
    sizes = [tf.io.gfile.stat(path).length for path in paths]
    # Relative to the folder that they share: its place differs from machine to machine.
    root = len(os.path.commonpath([os.path.dirname(path) for path in paths])) if paths else 0
    for path, size in zip(paths, sizes, strict=True):
        yield f"{path[root:]} {size}\n".encode()
    for place in sorted({*np.linspace(0, len(paths) - 1, min(READ, len(paths))).astype(int)}):
        with tf.io.gfile.GFile(paths[place], "rb") as file:
            yield file.read(BYTES)
            if sizes[place] > 2 * BYTES:
                file.seek(sizes[place] - BYTES)
            yield file.read(BYTES)
