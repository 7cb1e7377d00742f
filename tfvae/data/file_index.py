"""The names of very many files, packed into strings: no Python object for each file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from tfvae.data.files import check_regular
from tfvae.errors import MissingFileError, UserError

__all__ = ["FileIndex"]

_CHUNK = 4096  # names that exist as Python objects at one time
_BLOCK = 64  # names in one string


class FileIndex:
    """The files below folders, numbered: folder after folder, sorted by path in each.

    Files and folders with a leading dot are hidden, and links to folders are not followed.

    Args:
        roots: The folders.
        endings: Endings of the files, in small letters.
        skip: Whether links to nothing, pipes and the like are left out, instead of refused.

    Attributes:
        sizes: How many files each root has.
        classes: For each folder with files, its first folder below the root; `""` for none.
        left_out: How many with the name of a file are none.
    """

    def __init__(self, roots: Sequence[str], endings: Sequence[str], *, skip: bool = False) -> None:
        self._skip, self.left_out = skip, 0
        self.sizes: list[int] = []
        self.classes: list[str] = []
        self._firsts: list[int] | np.ndarray = []  # number of the first file of each block
        folders, of_blocks, blocks, count = [], [], [], 0
        wanted = tuple(map(os.fsencode, endings))
        for root in map(os.fsencode, roots):
            before = count
            for folder, names in _listed(root, wanted, self._irregular):
                below = os.path.relpath(folder, root).split(os.fsencode(os.sep))[0]
                self.classes.append(os.fsdecode(below) if below != b"." else "")
                folders.append(os.path.join(folder, b""))
                for start in range(0, len(names), _BLOCK):
                    self._firsts.append(count + start)
                    of_blocks.append(len(folders) - 1)
                    blocks.append(b"/".join(names[start : start + _BLOCK].tolist()))
                count += len(names)
            self.sizes.append(count - before)
            if count == before:
                raise MissingFileError(
                    f"there is no image in {os.fsdecode(root)}: put {', '.join(endings)} files "
                    "there"
                )
        self._firsts = np.array(self._firsts, np.int64)
        self._of_blocks = np.array(of_blocks, np.int32)
        with tf.device("CPU:0"):
            self._folders, self._blocks = tf.constant(folders), tf.constant(blocks)

    def _irregular(self, path: str) -> None:
        """Counts or refuses what has an image's name and is no file, such as a folder."""
        if not self._skip:
            check_regular(path)
        self.left_out += 1

    def __len__(self) -> int:
        return sum(self.sizes)

    def _block_of(self, numbers: tf.Tensor) -> tf.Tensor:
        return tf.searchsorted(self._firsts, tf.cast(numbers, tf.int64), side="right") - 1

    def folder_of(self, numbers: tf.Tensor) -> tf.Tensor:
        """The number of the folder of each file, among folders with files, int32 `[n]`."""
        return tf.gather(self._of_blocks, self._block_of(numbers))

    def classes_of(self, numbers: np.ndarray) -> list[str]:
        """The classes of files, each once, sorted.

        Args:
            numbers: Their numbers, ascending.
        """
        # In the type of the numbers: else NumPy would copy all of them.
        firsts = np.append(self._firsts, len(self)).astype(numbers.dtype)
        used = np.flatnonzero(np.diff(np.searchsorted(numbers, firsts)))
        return sorted({self.classes[folder] for folder in self._of_blocks[used]})

    def paths(self, numbers: tf.Tensor) -> tf.Tensor:
        """The paths of files.

        Args:
            numbers: Their numbers, `[n]`.

        Returns:
            string `[n]`.
        """
        block = self._block_of(numbers)
        names = tf.strings.split(tf.gather(self._blocks, block), "/")
        place = tf.cast(numbers, tf.int64) - tf.gather(self._firsts, block)
        names = tf.gather(names.flat_values, names.row_starts() + place)
        return tf.strings.join([tf.gather(self._folders, self.folder_of(numbers)), names])

    def dataset(self) -> tf.data.Dataset:
        """The paths of all files in their order, a thousand or so at a time."""
        return tf.data.Dataset.range(len(self)).batch(1024).map(self.paths)


def _listed(
    folder: bytes, endings: tuple[bytes, ...], irregular: Callable[[str], None]
) -> Iterator[tuple[bytes, np.ndarray]]:
    """Folders with the sorted names of files in them, in the order of the files' paths."""
    below, some, names = [], [], [np.zeros([0], "S1")]
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(b"."):
                    continue
                if entry.is_dir():
                    if not entry.is_symlink():
                        # With the slash that it has in a path, so that both sort alike.
                        below.append(entry.name + b"/")
                elif entry.name.lower().endswith(endings):
                    if not entry.is_file():
                        irregular(os.fsdecode(entry.path))
                        continue
                    some.append(entry.name)
                    if len(some) == _CHUNK:
                        names.append(np.array(some))
                        some = []
    except UserError:  # one of them is an OSError as well
        raise
    except OSError as error:
        raise UserError(f"cannot list {os.fsdecode(folder)}: {error.strerror}") from error
    names = np.concatenate([*names, np.array(some, "S")])
    names.sort()
    below.sort()
    begin = 0
    for name, end in zip(below, np.searchsorted(names, np.array(below, "S")), strict=True):
        if end > begin:
            yield folder, names[begin:end]
        yield from _listed(os.path.join(folder, name[:-1]), endings, irregular)
        begin = end
    if len(names) > begin:
        yield folder, names[begin:]
