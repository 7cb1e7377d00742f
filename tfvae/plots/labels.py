"""Which label of a conditional model a figure shows, and where it is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["labels_of", "of_label", "places"]


def labels_of(context: Any, names: Sequence[str] | None = None) -> list[str] | None:
    """Gives what is written for a context of labels.

    Args:
        context: What the model is conditioned on, `[B, ...]`, or None.
        names: Names of the labels 0, 1, ...; None: the labels themselves.

    Returns:
        A word for each example; None where the context is no label, such as a vector.

    Example:
        >>> labels_of(np.array([2, 0]), ["cat", "dog", "owl"])
        ['owl', 'cat']
    """
    if context is None or isinstance(context, (dict, tuple)):
        return None
    labels = np.asarray(context)
    if labels.dtype.kind not in "biuSUO" or labels.size != len(labels):
        return None
    labels = labels.reshape(-1).tolist()
    if labels and isinstance(labels[0], int) and names is not None:
        return [str(names[i]) if 0 <= i < len(names) else str(i) for i in labels]
    return [label.decode(errors="replace") if isinstance(label, bytes) else str(label)
            for label in labels]  # fmt: skip


def of_label(words: Sequence[str] | None) -> str:
    """Gives the end of a title: `", label 3"` where all examples have that one, else nothing."""
    return f", label {words[0]}" if words and len(set(words)) == 1 else ""


def places(words: Sequence[str] | None, columns: int) -> dict[str, list[str]]:
    """Says where a gallery writes the labels, so that each is written as seldom as possible.

    Args:
        words: A word for each cell, row by row, or None.
        columns: Cells in a row.

    Returns:
        Keyword arguments for `image_gallery`: labels of the rows or the columns where all cells
        of one have the same, else captions of the cells; none where the title says it all.

    Example:
        >>> places(["a", "a", "b", "b"], 2), places(["a", "b", "a", "b"], 2)
        ({'row_labels': ['a', 'b']}, {'column_labels': ['a', 'b']})
    """
    if not words or len(set(words)) == 1:
        return {}
    rows = [words[start : start + columns] for start in range(0, len(words), columns)]
    if columns > 1 and all(len(set(row)) == 1 for row in rows):
        return {"row_labels": [row[0] for row in rows]}
    across = [words[column::columns] for column in range(columns)]
    if math.ceil(len(words) / columns) > 1 and all(len(set(cells)) == 1 for cells in across):
        return {"column_labels": [cells[0] for cells in across]}
    return {"captions": list(words)}
