"""A data set of which only some examples keep their label."""

from __future__ import annotations

import numpy as np

from tfvae.data.source import ArraySource, Source
from tfvae.errors import UserError

__all__ = ["kept", "with_few_labels"]

MISSING = -1  # see tfvae.distributions.labels


def kept(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Which examples keep their label: as many of each class as can be, drawn at random.

    Args:
        labels: Whole numbers, `[n]`.
        count: How many keep it.
        seed: Seed of the draw.

    Returns:
        Whether each does, `[n]`.

    Example:
        >>> int(kept(np.array([0, 0, 0, 1, 1, 1]), 2, seed=0).sum())
        2
    """
    order = np.random.RandomState(seed).permutation(len(labels))
    turn = np.zeros(len(labels), np.int64)  # the how-manieth of its class an example is
    for label in np.unique(labels):
        members = order[labels[order] == label]
        turn[members] = np.arange(len(members))
    chosen = order[np.argsort(turn[order], kind="stable")][:count]
    keeps = np.zeros(len(labels), bool)
    keeps[chosen] = True
    return keeps


def with_few_labels(source: Source, part: range, count: int, seed: int) -> Source:
    """The same source, with -1 in the place of all labels but some.

    Args:
        source: A data set in memory.
        part: The positions of the split.
        count: How many of its examples keep their label.
        seed: Seed of the draw.

    Raises:
        UserError: If there are no labels or fewer examples, or the data are streamed.
    """
    name = source.info.name
    if not source.has_labels or not isinstance(source, ArraySource):
        raise UserError(
            f"labelled={count} is for data in memory with whole-number labels, and {name!r} has "
            "none or is streamed: put -1 for those that are missing into its labels"
        )
    if not 1 <= count <= len(part):
        raise UserError(f"labelled={count}: {name!r} has {len(part)} examples here, give 1 to that")

    def load() -> tuple[np.ndarray, np.ndarray]:
        images, labels = source.arrays()
        here = slice(part.start, part.stop)
        labels = labels.copy()
        labels[here] = np.where(kept(labels[here], count, seed), labels[here], MISSING)
        return images, labels

    return ArraySource(source.info, load, has_labels=True, unit_range=source.unit_range)
