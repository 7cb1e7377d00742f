"""The handwritten digits inside scikit-learn: real images without any download."""

from __future__ import annotations

import numpy as np

from tfvae.data.dataset_info import DatasetInfo
from tfvae.data.registry import Request, register
from tfvae.data.source import ArraySource

__all__ = ["digits"]

_TRAIN, _TEST = 1500, 297
# The images come writer by writer: a fixed permutation puts all writers into both splits.
_SPLIT_SEED = 0


def digits(request: Request) -> ArraySource:
    """Makes the source of the 1,797 digits, 8x8x1, 17 levels (0..16)."""
    info = DatasetInfo.of(
        request.name, (8, 8, 1), train=_TRAIN, test=_TEST, levels=17, binarization="dynamic",
        classes=tuple("0123456789"),
    )  # fmt: skip
    return ArraySource(info, _load, has_labels=True)


def _load() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits  # here: scikit-learn takes a second to import

    bunch = load_digits()
    order = np.random.RandomState(_SPLIT_SEED).permutation(_TRAIN + _TEST)
    return bunch.images.astype(np.uint8)[order, :, :, None], bunch.target[order]


register("digits", digits)
