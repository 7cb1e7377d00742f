"""`sprites` as a dataset: a fixed permutation of all images, 10,000 of them for testing."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfvae.data import sprites
from tfvae.data.dataset_info import DatasetInfo
from tfvae.data.registry import Request, register
from tfvae.data.source import IndexedSource, Read

__all__ = ["SpriteSource"]

_TEST = 10_000
_SPLIT_SEED = 0


class SpriteSource(IndexedSource):
    """Draws the images that are asked for.

    The permutation makes every slice of a split, such as `"train[:50000]"`, a uniform random
    subset of all images.
    """

    has_labels = True
    parallel = True

    def __init__(self, request: Request) -> None:
        self.info = DatasetInfo.of(
            request.name, (sprites.SIZE, sprites.SIZE, 1),
            train=sprites.NUM_IMAGES - _TEST, test=_TEST, levels=2,
            classes=sprites.SHAPES, factors=dict(sprites.FACTORS),
        )  # fmt: skip

    def open(self, part: range, *, labels: bool) -> Read:
        """Gives the function that draws a batch; the label is the shape factor."""
        order = np.random.RandomState(_SPLIT_SEED).permutation(sprites.NUM_IMAGES)
        with tf.device("CPU:0"):
            indices = tf.constant(order[part.start : part.stop], tf.int32)

        def read(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
            index = tf.gather(indices, positions - part.start)
            label = tf.cast(sprites.factors(index)[..., 0], tf.int32) if labels else None
            return positions, sprites.images(index), label

        return read


register("sprites", SpriteSource)
