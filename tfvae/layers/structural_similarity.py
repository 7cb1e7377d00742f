"""Multi-scale structural similarity of images of any size."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

__all__ = ["ms_ssim", "scales_of"]

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the five scales, the finest first
WINDOW, SIGMA = 11, 1.5  # of the Gaussian window, in pixels
LEAST = 4  # pixels that the smaller side of the coarsest scale has at least
C1, C2 = 0.01**2, 0.03**2  # for values from 0 to 1
FLOOR = 1e-2


def scales_of(height: int, width: int) -> int:
    """How many scales an image has: five, or as many as leave its smaller side four pixels.

    Example:
        >>> [scales_of(n, n) for n in (8, 28, 64, 256)]
        [2, 3, 5, 5]
    """
    side = min(height, width)
    return max(1, sum(side // 2**scale >= LEAST for scale in range(len(WEIGHTS))))


def _windowed(x: tf.Tensor) -> tf.Tensor:
    """Means of `[n, height, width, 1]` under the Gaussian window, where it fits."""
    size = min(WINDOW, *x.shape[1:3])
    place = np.arange(size) - (size - 1) / 2
    one = np.exp(-0.5 * (place / SIGMA) ** 2)
    one = tf.constant(one / one.sum(), x.dtype)
    x = tf.nn.conv2d(x, tf.reshape(one, [-1, 1, 1, 1]), 1, "VALID")
    return tf.nn.conv2d(x, tf.reshape(one, [1, -1, 1, 1]), 1, "VALID")


def _similarities(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The mean similarity, and its part without luminance, of `[n, height, width, 1]`: `[n]`."""
    mean_x, mean_y, squares, product = tf.split(
        _windowed(tf.concat([x, y, x * x + y * y, x * y], axis=0)), 4
    )
    means, both = mean_x * mean_y, tf.square(mean_x) + tf.square(mean_y)
    structure = (2 * (product - means) + C2) / (squares - both + C2)
    luminance = (2 * means + C1) / (both + C1)
    return tuple(tf.reduce_mean(v, axis=[1, 2, 3]) for v in (luminance * structure, structure))


def _above_zero(value: tf.Tensor) -> tf.Tensor:
    """The value from `FLOOR` on, and a smooth tail to 0 below it, so that its power has a slope."""
    tail = FLOOR**2 / (2 * FLOOR - tf.minimum(value, FLOOR))
    return tf.where(value < FLOOR, tail, value)


def ms_ssim(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """MS-SSIM(x, y) = l_M^{w_M} Π_j (c s)_j^{w_j}, over the scales j = 1 to M, from 0 to 1.

    As published, but for two things that small images and training ask for: with fewer than five
    scales, see `scales_of`, their weights are divided by their sum, and the window is no larger
    than the image; and a contrast below 0.01 is replaced by a positive value that goes to 0, since
    a power of a negative number has neither a value nor a slope.

    Args:
        x: Images of values from 0 to 1, `[n, height, width, channels]`.
        y: The same.

    Returns:
        The mean over the channels, `[n]`.

    Example:
        >>> image = tf.random.stateless_uniform([2, 16, 16, 1], (0, 1))
        >>> ms_ssim(image, image).numpy()
        array([1., 1.], dtype=float32)

    References:
        Wang, Simoncelli, Bovik, "Multiscale Structural Similarity for Image Quality Assessment",
        2003, Eq. 7.
    """
    height, width, channels = x.shape[1:]
    scales = scales_of(height, width)
    weights = np.array(WEIGHTS[:scales]) / np.sum(WEIGHTS[:scales])
    # Each channel is an image of its own.
    x, y = (
        tf.reshape(tf.transpose(image, [0, 3, 1, 2]), [-1, height, width, 1]) for image in (x, y)
    )
    total = tf.constant(1.0, x.dtype)
    for scale, weight in enumerate(weights):
        whole, structure = _similarities(x, y)
        last = scale == scales - 1
        total *= _above_zero(whole if last else structure) ** weight
        if not last:
            x, y = (tf.nn.avg_pool2d(image, 2, 2, "VALID") for image in (x, y))
    return tf.reduce_mean(tf.reshape(total, [-1, channels]), axis=1)
