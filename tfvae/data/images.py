"""`images:FOLDER`: PNG and JPEG files, decoded as they are needed."""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf

from tfvae.data.damage import readable_images
from tfvae.data.dataset_info import DatasetInfo
from tfvae.data.decoding import batch_decoder, image_shape
from tfvae.data.files import find_path
from tfvae.data.registry import Request, register
from tfvae.data.source import IndexedSource, Read
from tfvae.data.splits import split_sizes
from tfvae.errors import MissingFileError, UserError

__all__ = ["ImageFolderSource"]

_ENDINGS = (".png", ".jpg", ".jpeg")
_SPLIT_SEED = 0


class ImageFolderSource(IndexedSource):
    """The images below a folder; only their paths are in memory.

    Where the folder has both `train` and `test` in it, these are the splits; else a fixed
    permutation of the sorted paths is split 90/10. Where all images lie in subfolders, the names
    of these are the classes.
    """

    parallel = True

    def __init__(self, request: Request) -> None:
        folder = find_path(request.argument, request.data_dir, kind="folder")
        self._left_out = 0
        roots = [os.path.join(folder, split) for split in ("train", "test")]
        if all(os.path.isdir(root) for root in roots):
            found = [self._good(_paths(root), request) for root in roots]
            self._paths = [path for paths in found for path in paths]
            sizes = (len(found[0]), len(found[1]))
            names = [
                _class(path, root)
                for root, paths in zip(roots, found, strict=True)
                for path in paths
            ]
        else:
            paths = self._good(_paths(folder), request)
            order = np.random.RandomState(_SPLIT_SEED).permutation(len(paths))
            self._paths = [paths[i] for i in order]
            sizes = split_sizes(len(paths))
            names = [_class(path, folder) for path in self._paths]
        classes = tuple(sorted(set(names))) if all(names) else None
        self.has_labels = classes is not None
        if classes is not None:
            numbers = {name: number for number, name in enumerate(classes)}
            self._labels = [numbers[name] for name in names]
        first = min(self._paths)
        shape = image_shape(tf.io.read_file(first), first, request)
        self._resize = request.size is not None
        self.info = DatasetInfo.of(
            request.name, shape, train=sizes[0], test=sizes[1], classes=classes,
            left_out=self._left_out,
        )  # fmt: skip

    def _good(self, paths: list[str], request: Request) -> list[str]:
        """The files that are not to be left out."""
        if request.damaged != "skip":
            return paths
        good = readable_images(paths)
        self._left_out += len(paths) - len(good)
        if not len(good):
            raise UserError(f"no image of {request.name!r} can be decoded")
        return [paths[number] for number in good]

    def open(self, part: range, *, labels: bool) -> Read:
        """Gives the function that reads and decodes a batch of files."""
        decode = batch_decoder(self.info.shape, resize=self._resize)
        with tf.device("CPU:0"):
            paths = tf.constant(self._paths[part.start : part.stop])
            classes = tf.constant(self._labels[part.start : part.stop]) if labels else None

        def read(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
            local = positions - part.start
            names = tf.gather(paths, local)
            contents = tf.map_fn(tf.io.read_file, names)
            return positions, decode(contents, names), tf.gather(classes, local) if labels else None

        return read


def _paths(folder: str) -> list[str]:
    """Lists the images below a folder, sorted; files and folders with a leading dot are hidden."""
    paths = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [
            os.path.join(root, name)
            for name in files
            if name.lower().endswith(_ENDINGS) and not name.startswith(".")
        ]
    if not paths:
        raise MissingFileError(
            f"there is no image in {folder}: put {', '.join(_ENDINGS)} files there"
        )
    return sorted(paths)


def _class(path: str, root: str) -> str:
    """Names the first folder below the root that the file is in; `""` for none."""
    return os.path.dirname(os.path.relpath(path, root)).split(os.sep)[0]


register("images:", ImageFolderSource, resizable=True)
