"""PNG and JPEG bytes to pixels, with an error that names the file."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfvae.data.registry import Request
from tfvae.errors import UserError

__all__ = ["batch_decoder", "image_shape"]


def image_shape(contents: tf.Tensor | bytes, where: str, request: Request) -> tuple[int, int, int]:
    """Finds the shape of a dataset's images: its first image's, where the request leaves it open.

    Args:
        contents: The first image, encoded.
        where: What the image is called in an error.
        request: Its `size` and `channels` take precedence over the first image's.

    Returns:
        (height, width, channels).
    """
    height, width, channels = _named_decode(contents, where, channels=0).shape
    if request.channels is not None:
        channels = request.channels
    else:
        channels = 1 if channels <= 2 else 3  # transparency is dropped
    return (*(request.size or (height, width)), channels)


def batch_decoder(
    shape: tuple[int, int, int], *, resize: bool
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Makes the function that decodes a batch of images of one shape, for use in a graph.

    Args:
        shape: (height, width, channels) of the result.
        resize: Whether images of another height or width are resized; else they are an error.

    Returns:
        A function of (encoded images, what each is called), both string `[batch]`, that gives
        uint8 `[batch, *shape]`.
    """

    def fit(contents: tf.Tensor) -> tf.Tensor:
        image = _decode(contents, shape[2])
        return tf.ensure_shape(_resize(image, shape[:2]) if resize else image, shape)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def decode_all(contents: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(fit, contents, fn_output_signature=tf.TensorSpec(shape, tf.uint8))

    def decode_or_name(contents: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
        try:
            return decode_all(contents)
        except tf.errors.InvalidArgumentError:
            names = [name.decode("utf-8", "replace") for name in where.numpy()]
            for content, name in zip(contents.numpy(), names, strict=True):
                _check(content, name, shape, resize=resize)
            raise

    def decode_batch(contents: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
        # By way of Python once a batch, as a graph cannot catch the decoder's error to say which
        # file it was. The decoding itself is a graph, and does not hold Python's lock.
        images = tf.py_function(decode_or_name, [contents, where], tf.uint8)
        images.set_shape([contents.shape[0], *shape])
        return images

    return decode_batch


def _decode(contents: tf.Tensor | bytes, channels: int) -> tf.Tensor:
    """Decodes one image to uint8 `[height, width, channels]`; 0 channels are the file's own."""
    return tf.io.decode_image(contents, channels=channels, expand_animations=False)


def _resize(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Resizes uint8 to uint8: antialiased, so that a smaller image averages pixels."""
    image.set_shape([None, None, None])
    resized = tf.image.resize(image, size, method="bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


def _named_decode(contents: tf.Tensor | bytes, where: str, channels: int) -> tf.Tensor:
    try:
        return _decode(contents, channels)
    except tf.errors.InvalidArgumentError:
        raise UserError(
            f"{where} cannot be decoded as a PNG or JPEG image, it is damaged: restore it, or "
            "leave such out with damaged='skip'"
        ) from None


def _check(contents: bytes, where: str, shape: tuple[int, int, int], *, resize: bool) -> None:
    """Raises the error that says what is wrong with an image, if anything is."""
    height, width, _ = _named_decode(contents, where, channels=shape[2]).shape
    if not resize and (height, width) != shape[:2]:
        raise UserError(
            f"{where} is {height}x{width} pixels and the first image is {shape[0]}x{shape[1]}: "
            f"pass size=({shape[0]}, {shape[1]}), or another, to resize all of them"
        ) from None
