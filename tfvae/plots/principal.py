"""The plane in which points differ most."""

from __future__ import annotations

import numpy as np

__all__ = ["principal_plane"]


def principal_plane(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Projects points on their first two principal components.

    Args:
        points: `[B, D]` with D of at least 2.

    Returns:
        The coordinates, `[B, 2]`, and the share of the variance along each, `[2]` in [0, 1].

    Example:
        >>> principal_plane(np.array([[0.0, 0, 3], [0, 0, -3], [1, 0, 0], [-1, 0, 0]]))[1]
        array([0.9, 0.1])

    Reference:
        K. Pearson, "On lines and planes of closest fit to systems of points in space", 1901.
    """
    centred = np.asarray(points, np.float64)
    centred = centred - centred.mean(0)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    lengths = np.pad(lengths, (0, 2))[: max(2, len(lengths))]  # one point alone has one axis
    axes = np.pad(axes, ((0, 2), (0, 0)))[:2]
    # The sign of an axis is arbitrary: with its largest entry positive, figures can be compared.
    largest = np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1)
    axes = axes * np.where(largest < 0, -1.0, 1.0)
    variances = lengths**2
    return centred @ axes.T, variances[:2] / max(variances.sum(), np.finfo(np.float64).tiny)
