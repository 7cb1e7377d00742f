"""Black-and-white images of one shape, with the five factors and the grid of dSprites.

Any of the 737,280 images is drawn from its index, in closed form; none is stored. The index is the
mixed-radix number of the five factors, the shape changing slowest and y fastest, as in dSprites
(Matthey et al., 2017). The images are not those of dSprites pixel by pixel: the shapes are drawn
anew, from an inequality for each.

Example:
    >>> from tfvae.data import sprites
    >>> sprites.factors(700_000)
    array([ 2,  5,  3, 19,  0])
    >>> sprites.images([0, 700_000]).shape
    TensorShape([2, 64, 64, 1])
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.lazy import public

__all__ = ["FACTORS", "NUM_IMAGES", "SHAPES", "SIZE", "factors", "images", "index"]
__dir__ = public(__all__)

FACTORS = {"shape": 3, "scale": 6, "orientation": 40, "x": 32, "y": 32}
SHAPES = ("square", "ellipse", "heart")
NUM_IMAGES = math.prod(FACTORS.values())
SIZE = 64

# At full scale each shape covers as many pixels as a square of a quarter of the image's width.
_SIDE = SIZE / 4
# No shape at full scale reaches farther than 11.4 pixels from its centre.
_MARGIN = 12.0
_ELLIPSE_RATIO = 1.6
# Area and height of the centroid of the heart (u^2 + v^2 - 1)^3 <= u^2 v^3.
_HEART_AREA, _HEART_CENTRE = 3.6620, 0.2935


def factors(index: Any) -> Any:
    """Finds the factors of images.

    Args:
        index: Whole numbers from 0 to 737,279, `[...]`, numpy or tensor.

    Returns:
        Which value each of the five `FACTORS` has, integer `[..., 5]`, of the kind that went in.
    """
    rest = _whole(index, low=0, high=NUM_IMAGES, what="the index of a sprite")
    digits = []
    for size in reversed(FACTORS.values()):
        digits.append(rest % size)
        rest = rest // size
    stack = tf.stack if tf.is_tensor(rest) else np.stack
    return stack(digits[::-1], axis=-1)


def index(factors: Any) -> Any:
    """Finds the index of images from their factors: the inverse of `factors`.

    Args:
        factors: Which value each of the five `FACTORS` has, integer `[..., 5]`.

    Returns:
        Whole numbers from 0 to 737,279, `[...]`, of the kind that went in.
    """
    sizes = tuple(FACTORS.values())
    factors = _whole(factors, low=0, high=np.array(sizes), what="the factors of a sprite")
    result = factors[..., 0]
    for position in range(1, len(sizes)):
        result = result * sizes[position] + factors[..., position]
    return result


def images(indices: Any) -> tf.Tensor:
    """Draws images; in a graph or eagerly.

    Args:
        indices: Indices of the images, integer `[n]`. The drawing takes some 400 kB an image while
            it goes on: ask for thousands at a time, not for all.

    Returns:
        0 and 1, uint8 `[n, 64, 64, 1]`.
    """
    # [5, n, 1, 1], against a grid of pixels [64, 64]
    code = tf.transpose(tf.convert_to_tensor(factors(indices)))[:, :, None, None]
    kind = code[0]
    scale, orientation, x, y = (tf.cast(code[i], tf.float32) for i in range(1, 5))
    scale = 0.5 + scale * 0.1
    angle = orientation * (2 * math.pi / (FACTORS["orientation"] - 1))
    step = (SIZE - 2 * _MARGIN) / (FACTORS["x"] - 1)
    # Offsets of the pixels' centres from the shape's centre: to the right, and upwards.
    pixel = tf.range(SIZE, dtype=tf.float32) + 0.5
    right = pixel[None, :] - (_MARGIN + step * x)
    up = (_MARGIN + step * y) - pixel[:, None]
    # Into the frame of a shape turned counter-clockwise, in units of the side of the full square.
    size = scale * _SIDE
    u = (tf.cos(angle) * right + tf.sin(angle) * up) / size
    v = (tf.cos(angle) * up - tf.sin(angle) * right) / size
    inside = tf.where(kind == 0, _square(u, v), tf.where(kind == 1, _ellipse(u, v), _heart(u, v)))
    return tf.cast(inside, tf.uint8)[..., None]


def _square(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    return tf.maximum(tf.abs(u), tf.abs(v)) <= 0.5


def _ellipse(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    return math.pi * (u**2 / _ELLIPSE_RATIO + v**2 * _ELLIPSE_RATIO) <= 1.0


def _heart(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    u = u * math.sqrt(_HEART_AREA)
    v = v * math.sqrt(_HEART_AREA) + _HEART_CENTRE
    return (u**2 + v**2 - 1) ** 3 <= u**2 * v**3


def _whole(values: Any, *, low: int, high: Any, what: str) -> Any:
    """Checks whole numbers in `[low, high)`; tensors, which may be symbolic, are taken as given."""
    if tf.is_tensor(values):
        return values
    values = np.asarray(values)
    if not np.issubdtype(values.dtype, np.integer):
        raise UserError(f"{what} is of type {values.dtype}: give whole numbers")
    if isinstance(high, np.ndarray) and values.shape[-1:] != high.shape:
        raise UserError(f"{what} have the shape {values.shape}: give [..., {len(high)}]")
    if np.any(values < low) or np.any(values >= high):
        raise UserError(f"{what} goes from {values.min()} to {values.max()}: the end is {high}")
    return values
