"""What data look like: images, points, or vectors."""

from __future__ import annotations

import numpy as np

from tfvae.errors import UserError

__all__ = ["as_array", "as_pictures", "as_vectors", "check_levels", "kind"]


def as_array(x: object, name: str = "x") -> np.ndarray:
    """Gives numbers as an array; refuses what holds none.

    Args:
        x: An array or a tensor, `[B, ...]` with B of at least 1.
        name: What the caller calls it.

    Returns:
        The array.
    """
    array = np.asarray(x)
    if array.dtype.name == "bfloat16":  # NumPy itself does not know the type
        array = array.astype(np.float32)
    if array.dtype.kind not in "biuf":
        raise UserError(f"{name} is a {type(x).__name__}: give an array or a tensor of numbers")
    if array.ndim == 0 or not len(array):
        raise UserError(f"{name} has shape {array.shape}: give at least one example, [B, ...]")
    return array


def kind(x: np.ndarray) -> str:
    """Says how examples are drawn.

    Args:
        x: `[B, ...]`.

    Returns:
        `"images"` for `[B, h, w]` and `[B, h, w, channels]`, `"points"` for one or two numbers an
        example, else `"vectors"`.

    Example:
        >>> kind(np.zeros([5, 2])), kind(np.zeros([5, 28, 28, 1]))
        ('points', 'images')
    """
    if x.ndim in (3, 4):
        return "images"
    return "points" if x[0].size <= 2 else "vectors"


def as_pictures(x: np.ndarray, levels: int | None = None) -> np.ndarray:
    """Makes images into what `imshow` draws.

    Args:
        x: `[B, h, w]` or `[B, h, w, channels]`: values in [0, 1], or levels.
        levels: The values are 0 to `levels - 1`; None: they are in [0, 1].

    Returns:
        `[B, h, w, 3]`, float32 in [0, 1]; values outside are clipped. One channel is shown as
        grey, three as they are, any other number by its mean.
    """
    x = np.asarray(x, np.float32)
    x = x if x.ndim == 4 else x[..., None]
    if levels is not None:
        x = x / (levels - 1)
    if x.shape[-1] != 3:
        x = np.repeat(x.mean(-1, keepdims=True), 3, axis=-1)
    return np.clip(np.nan_to_num(x), 0.0, 1.0)


def as_vectors(x: np.ndarray) -> np.ndarray:
    """Flattens each example: `[B, ...]` to `[B, d]`, float32."""
    return np.asarray(x, np.float32).reshape([len(x), -1])


def check_levels(x: np.ndarray, levels: int | None) -> None:
    """Refuses images of 0 to 255 where [0, 1] is meant: they would be drawn white.

    Args:
        x: The data, `[B, ...]`.
        levels: As for `as_pictures`.
    """
    # Standardised data have negative values and are let through; they are clipped.
    if levels is None and kind(x) == "images" and x.min() >= 0 and x.max() > 1.5:
        raise UserError(
            f"images have values from {x.min():g} to {x.max():g}, but [0, 1] is meant: "
            f"divide them by {x.max():g}, or give the number of levels as levels=..."
        )
