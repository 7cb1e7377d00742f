"""Random numbers as pure functions of what they are for: no state, nothing to save."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence

import tensorflow as tf

__all__ = ["Purpose", "image_uniform", "stateless_key"]


class Purpose(enum.IntEnum):
    """What random numbers are for, so that no two uses of one seed share their numbers."""

    ORDER = 0
    BUFFER = 1
    DYNAMIC = 2
    STATIC = 3


def stateless_key(seed: int, purpose: Purpose, counter: tf.Tensor | int) -> tf.Tensor:
    """Makes the seed of a `tf.random.stateless_*` op: int64 `[2]`, different for each argument."""
    return tf.stack(
        [tf.constant(seed * len(Purpose) + purpose, tf.int64), tf.cast(counter, tf.int64)]
    )


def image_uniform(positions: tf.Tensor, shape: Sequence[int], seed: int) -> tf.Tensor:
    """Draws uniform noise that belongs to each image, whatever batch it comes in.

    TensorFlow's stateless ops take one seed for a whole tensor; one call an image made a batch
    three times as slow as this. So the noise is a hash of (seed, position, pixel): two rounds of a
    32-bit integer mixer, each under a key of the image's own.

    Args:
        positions: Positions of the images in their dataset, integer `[batch]`.
        shape: Shape of one image.
        seed: Seed of the noise.

    Returns:
        Uniform in [0, 1), float32 `[batch, *shape]`.
    """
    keys = tf.random.stateless_uniform(
        [2], stateless_key(seed, Purpose.STATIC, 0), minval=None, maxval=None, dtype=tf.uint32
    )
    image = tf.cast(positions, tf.uint32)[:, None]
    pixel = tf.cast(tf.range(math.prod(shape)), tf.uint32)[None, :]
    bits = _mix(tf.bitwise.bitwise_xor(_mix(pixel), _mix(image + keys[0])))
    bits = _mix(tf.bitwise.bitwise_xor(bits, _mix(_mix(image + keys[1]))))
    # 24 bits are what a float32 holds: the largest value stays below 1.
    uniform = (
        tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24
    )
    return tf.reshape(uniform, [-1, *shape])


def _mix(bits: tf.Tensor) -> tf.Tensor:
    """Scrambles uint32 values: a bijection in which each input bit moves half of the output bits.

    The constants are those of "lowbias32" (C. Wellons, Prospecting for Hash Functions, 2018).
    """
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, _uint32(shift)))
        bits *= _uint32(factor)
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, _uint32(16)))


def _uint32(value: int) -> tf.Tensor:
    return tf.constant(value, tf.uint32)
