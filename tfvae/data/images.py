"""`images:FOLDER`: PNG and JPEG files, decoded as they are needed."""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf

from tfvae.data.damage import readable_images
from tfvae.data.dataset_info import DatasetInfo
from tfvae.data.decoding import batch_decoder, image_shape
from tfvae.data.file_index import FileIndex
from tfvae.data.files import find_path
from tfvae.data.registry import Request, register
from tfvae.data.source import IndexedSource, Read
from tfvae.data.splits import split_sizes
from tfvae.errors import UserError, one_line

__all__ = ["ImageFolderSource"]

_ENDINGS = (".png", ".jpg", ".jpeg")
_SPLIT_SEED = 0


class ImageFolderSource(IndexedSource):
    """The images below a folder; only their names are in memory, packed.

    Where the folder has both `train` and `test` in it, these are the splits; else a fixed
    permutation of the sorted paths is split 90/10. Where all images lie in subfolders, the names
    of these are the classes.
    """

    parallel = True

    def __init__(self, request: Request) -> None:
        folder = find_path(request.argument, request.data_dir, kind="folder")
        roots = [os.path.join(folder, split) for split in ("train", "test")]
        if not all(os.path.isdir(root) for root in roots):
            roots = [folder]
        self._index = FileIndex(roots, _ENDINGS, skip=request.damaged == "skip")
        files = np.arange(len(self._index), dtype=np.int32)
        if request.damaged == "skip":
            files = readable_images(self._index.dataset()).astype(np.int32)
            if not len(files):
                raise UserError(f"no image of {request.name!r} can be decoded")
        first = self._index.paths(files[:1])[0]
        where = os.fsdecode(first.numpy())
        shape = image_shape(_contents(where), where, request)
        self._resize = request.size is not None
        classes = tuple(self._index.classes_of(files))
        self.has_labels = "" not in classes
        numbers = {name: number for number, name in enumerate(classes)}
        sizes = split_sizes(len(files))
        if len(roots) == 2:
            train = int(np.searchsorted(files, self._index.sizes[0]))
            sizes = (train, len(files) - train)
        else:
            np.random.RandomState(_SPLIT_SEED).shuffle(files)
        with tf.device("CPU:0"):
            self._files = tf.constant(files)  # by position
            self._labels = tf.constant([numbers.get(name, -1) for name in self._index.classes])
        self.info = DatasetInfo.of(
            request.name, shape, train=sizes[0], test=sizes[1],
            classes=classes if self.has_labels else None,
            left_out=self._index.left_out + len(self._index) - len(files),
        )  # fmt: skip

    def paths(self, most: int) -> list[str]:
        """The files, at most so many, evenly spaced."""
        count = len(self._index)
        some = np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64))
        return [os.fsdecode(path) for path in self._index.paths(some).numpy()]

    def open(self, part: range, *, labels: bool) -> Read:
        """Gives the function that reads and decodes a batch of files."""
        decode = batch_decoder(self.info.shape, resize=self._resize, read=True)

        def read(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
            files = tf.gather(self._files, positions)
            names = self._index.paths(files)
            label = tf.gather(self._labels, self._index.folder_of(files)) if labels else None
            return positions, decode(names, names), label

        return read


def _contents(path: str) -> bytes:
    """The bytes of a file."""
    try:
        return tf.io.read_file(path).numpy()
    except tf.errors.OpError as error:
        raise UserError(f"{path} cannot be read: {one_line(error, 100)}") from error


register("images:", ImageFolderSource, resizable=True)
