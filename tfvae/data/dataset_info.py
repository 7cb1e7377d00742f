"""What is known of a dataset before any image is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

__all__ = ["DatasetInfo"]


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """What a dataset holds.

    Attributes:
        name: The name it is loaded by.
        shape: Shape of one example, channels last, such as `(28, 28, 1)`.
        levels: Number of integer grey levels: 256 for 8-bit images, 2 for black and white ones;
            `None` for real-valued data.
        binarization: What `binarization="auto"` stands for: `"dynamic"` or `"none"`.
        splits: Split name -> number of examples.
        classes: Names of the labels 0, 1, ..., or `None`.
        factors: Ground-truth factor name -> number of its values, or `None`.
        left_out: Damaged examples that are not among these; in TFRecord files at least so many, as
            what lies between two records that can be read counts as one.
    """

    name: str
    shape: tuple[int, ...]
    levels: int | None
    binarization: str
    splits: Mapping[str, int]
    classes: tuple[str, ...] | None = None
    factors: Mapping[str, int] | None = None
    left_out: int = 0

    @classmethod
    def of(
        cls,
        name: str,
        shape: tuple[int, ...],
        *,
        train: int,
        test: int,
        levels: int | None = 256,
        binarization: str = "none",
        classes: tuple[str, ...] | None = None,
        factors: Mapping[str, int] | None = None,
        left_out: int = 0,
    ) -> DatasetInfo:
        """Makes the info of a dataset with `train` training examples and `test` test examples.

        Example:
            >>> DatasetInfo.of("moons", (2,), train=900, test=100, levels=None).splits
            {'train': 900, 'test': 100, 'all': 1000}
        """
        splits = {"train": train, "test": test, "all": train + test}
        return cls(name, tuple(shape), levels, binarization, splits, classes, factors, left_out)
