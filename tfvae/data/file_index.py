"""The names of very many files, packed: some twenty bytes a file, and no object for each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from tfvae.errors import MissingFileError, UserError

__all__ = ["FileIndex"]

_CHUNK = 4096  # names that are objects of Python at a time


class FileIndex:
    """The files below folders, numbered: folder after folder, sorted by path in each.

    Files and folders with a leading dot are hidden, and links to folders are not followed.

    Args:
        roots: The folders.
        endings: Endings of the files, in small letters.

    Attributes:
        sizes: How many files each root has.
        classes: For each folder with files, its first folder below the root; `""` for none.
    """

    def __init__(self, roots: Sequence[str], endings: Sequence[str]) -> None:
        self.sizes: list[int] = []
        self.classes: list[str] = []
        folders, counts, lengths, packed = [], [], [], bytearray()
        wanted = tuple(map(os.fsencode, endings))
        for root in map(os.fsencode, roots):
            before = sum(counts)
            for folder, names in _listed(root, wanted):
                below = os.path.relpath(folder, root).split(os.fsencode(os.sep))[0]
                self.classes.append(os.fsdecode(below) if below != b"." else "")
                folders.append(os.path.join(folder, b""))
                counts.append(len(names))
                lengths.append(np.char.str_len(names).astype(np.uint16))
                letters = names.view(np.uint8)
                packed += letters[letters != 0].tobytes()
            self.sizes.append(sum(counts) - before)
            if not self.sizes[-1]:
                raise MissingFileError(
                    f"there is no image in {os.fsdecode(root)}: put {', '.join(endings)} files "
                    "there"
                )
        number = np.int32 if len(packed) < 2**31 else np.int64
        ends = np.zeros(sum(counts) + 1, number)
        np.cumsum(np.concatenate(lengths), out=ends[1:])
        with tf.device("CPU:0"):
            self._folders = tf.constant(folders)
            self._firsts = tf.constant(np.cumsum([0, *counts[:-1]]), tf.int64)
            self._ends = tf.constant(ends)
            self._packed = tf.constant(bytes(packed))

    def __len__(self) -> int:
        return sum(self.sizes)

    def folder_of(self, numbers: tf.Tensor) -> tf.Tensor:
        """In which of the folders with files each of so many files is, int64 `[n]`."""
        numbers = tf.cast(numbers, tf.int64)
        return tf.searchsorted(self._firsts, numbers, side="right", out_type=tf.int64) - 1

    def classes_of(self, numbers: np.ndarray) -> list[str]:
        """The classes of files, each once, sorted.

        Args:
            numbers: Their numbers, ascending.
        """
        places = np.searchsorted(numbers, [*self._firsts.numpy(), len(self)])
        return sorted({self.classes[folder] for folder in np.flatnonzero(np.diff(places))})

    def paths(self, numbers: tf.Tensor) -> tf.Tensor:
        """The paths of files.

        Args:
            numbers: Their numbers, `[n]`.

        Returns:
            string `[n]`.
        """
        begins = tf.gather(self._ends, numbers)
        lengths = tf.gather(self._ends, numbers + 1) - begins
        # One by one: for several places at once the kernel copies the string for each.
        names = tf.map_fn(
            lambda place: tf.strings.substr(self._packed, *place),
            (begins, lengths),
            fn_output_signature=tf.string,
        )
        return tf.strings.join([tf.gather(self._folders, self.folder_of(numbers)), names])

    def dataset(self) -> tf.data.Dataset:
        """The paths of all files in their order, a thousand or so at a time."""
        return tf.data.Dataset.range(len(self)).batch(1024).map(self.paths)


def _listed(folder: bytes, endings: tuple[bytes, ...]) -> Iterator[tuple[bytes, np.ndarray]]:
    """Folders with the sorted names of files in them, in the order of the files' paths."""
    below, some, names = [], [], [np.zeros([0], "S1")]
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(b"."):
                    continue
                if entry.is_dir():
                    if not entry.is_symlink():
                        below.append(entry.name + b"/")  # as it is in the paths to be sorted
                elif entry.name.lower().endswith(endings):
                    some.append(entry.name)
                    if len(some) == _CHUNK:
                        names.append(np.array(some))
                        some = []
    except OSError as error:
        raise UserError(f"cannot list {os.fsdecode(folder)}: {error.strerror}") from error
    names = np.concatenate([*names, np.array(some, "S")])
    names.sort()
    below.sort()
    begin = 0
    for name, end in zip(below, np.searchsorted(names, np.array(below, "S")), strict=True):
        if end > begin:
            yield folder, names[begin:end]
        yield from _listed(os.path.join(folder, name[:-1]), endings)
        begin = end
    if len(names) > begin:
        yield folder, names[begin:]
