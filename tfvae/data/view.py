"""From raw pixels to what a likelihood asks for: grey values, integer levels or bits."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from tfvae.data.dataset_info import DatasetInfo
from tfvae.data.randomness import Purpose, image_uniform, stateless_key
from tfvae.errors import UserError, unknown_name

__all__ = ["BINARIZATIONS", "VALUES", "View"]

BINARIZATIONS = ("auto", "none", "dynamic", "static", "threshold")
VALUES = ("unit", "levels")


@dataclasses.dataclass(frozen=True)
class View:
    """How raw pixels become float32 values.

    Attributes:
        levels: Grey levels of the raw pixels, or `None` where they are real values.
        binarization: `"none"`, `"dynamic"`, `"static"` or `"threshold"`.
        values: `"unit"` or `"levels"`.
        seed: Seed of the noise.
    """

    levels: int | None
    binarization: str
    values: str
    seed: int

    @classmethod
    def of(
        cls, info: DatasetInfo, binarization: str, values: str, seed: int, *, unit_range: bool
    ) -> View:
        """Makes the view of a dataset, and refuses what makes no sense for it."""
        if binarization not in BINARIZATIONS:
            raise unknown_name("binarization", binarization, BINARIZATIONS)
        if values not in VALUES:
            raise unknown_name("kind of values", values, VALUES)
        if binarization == "auto":
            binarization = "none" if values == "levels" else info.binarization
        if values == "levels" and binarization != "none":
            raise UserError(
                f"values='levels' with binarization={binarization!r}: a binarized image has no "
                "levels; use values='unit' or binarization='none'"
            )
        if values == "levels" and info.levels is None:
            raise UserError(
                f"values='levels' asked of {info.name!r}, whose values are real: give integer "
                "arrays (uint8) or use values='unit'"
            )
        if binarization != "none" and not unit_range:
            raise UserError(
                f"binarization={binarization!r} asked of {info.name!r}, whose values are not all "
                "in [0, 1]: rescale them or use binarization='none'"
            )
        return cls(info.levels, binarization, values, seed)

    def __call__(
        self,
        raw: tf.Tensor,
        positions: tf.Tensor,
        counter: tf.Tensor,
        rows: tuple[tf.Tensor, tf.Tensor, tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """Converts a batch.

        Args:
            raw: Pixels as stored, `[batch, *shape]`.
            positions: Positions of the images in their dataset, int64 `[batch]`.
            counter: A number that no other batch of the run has, int64 scalar.
            rows: Of a larger batch, where these images begin and end, and its size: their noise
                is that which they have in it.

        Returns:
            float32 `[batch, *shape]`.
        """
        x = tf.cast(raw, tf.float32)
        if self.values == "levels":
            return x
        if self.levels is not None:
            x /= self.levels - 1
        if self.binarization == "none":
            return x
        if self.binarization == "threshold":
            return tf.cast(x >= 0.5, tf.float32)
        if self.binarization == "static":
            uniform = image_uniform(positions, x.shape[1:], self.seed)
        else:
            key = stateless_key(self.seed, Purpose.DYNAMIC, counter)
            begin, end, size = rows or (0, None, tf.shape(x)[0])
            uniform = tf.random.stateless_uniform([size, *x.shape[1:]], key)[begin:end]
        # Strictly below: white (1) is always 1 and black (0) always 0, as uniform is in [0, 1).
        return tf.cast(uniform < x, tf.float32)
