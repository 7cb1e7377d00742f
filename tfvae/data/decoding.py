"""PNG and JPEG bytes to pixels, with an error that names the file."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfvae.data.attempt import attempt, complain
from tfvae.data.registry import Request
from tfvae.errors import UserError

__all__ = ["batch_decoder", "image_shape"]

_UNDECODABLE = (
    " cannot be decoded as a PNG or JPEG image, it is damaged or gone: restore it, or leave such "
    "out with damaged='skip'"
)
_OTHER = (
    " pixels and the first image is {0}x{1}: pass size=({0}, {1}), or another, to resize all of "
    "them"
)


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
    shape: tuple[int, int, int], *, resize: bool, read: bool = False
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Makes the function that decodes a batch of images of one shape, for use in a graph.

    Args:
        shape: (height, width, channels) of the result.
        resize: Whether images of another height or width are resized; else they are an error.
        read: Whether the function is given paths of files instead of encoded images.

    Returns:
        A function of (encoded images or paths, what each is called), both string `[batch]`, that
        gives uint8 `[batch, *shape]`.
    """

    def decoded(content: tf.Tensor) -> tf.Tensor:
        return _decode(tf.io.read_file(content) if read else content, shape[2])

    def fit(content: tf.Tensor) -> tf.Tensor:
        image = decoded(content)
        return tf.ensure_shape(_resize(image, shape[:2]) if resize else image, shape)

    def decode_all(contents: tf.Tensor) -> tuple[tf.Tensor, bool]:
        spec = tf.TensorSpec(shape, tf.uint8)
        return tf.map_fn(fit, contents, fn_output_signature=spec), True

    def refusal(content: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
        """What is wrong with an image; empty where nothing is."""

        def size_of(content: tf.Tensor) -> tuple[tf.Tensor]:
            return (tf.shape(decoded(content))[:2],)

        (size,) = attempt(size_of, (content,), (tf.constant([0, 0]),))
        size.set_shape([2])
        sides = tf.strings.as_string(size)
        other = tf.strings.join([where, " is ", sides[0], "x", sides[1], _OTHER.format(*shape)])
        fits = tf.constant(True) if resize else tf.reduce_all(size == shape[:2])
        told = tf.where(fits, "", other)
        return tf.where(size[0] > 0, told, tf.strings.join([where, _UNDECODABLE]))

    def decode_batch(contents: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
        none = tf.zeros([0, *shape], tf.uint8)
        images, good = attempt(decode_all, (contents,), (none, False))

        def refuse() -> tf.Tensor:
            told = tf.data.Dataset.from_tensor_slices((contents, where)).map(refusal)
            # Each can be decoded by itself now, such as a file that is back meanwhile.
            other = tf.data.Dataset.from_tensors(tf.strings.join([where[0], _UNDECODABLE]))
            told = told.filter(lambda text: text != "").concatenate(other).take(1)
            with tf.control_dependencies([complain(told.get_single_element())]):
                return tf.identity(none)

        images = tf.cond(good, lambda: images, refuse)
        return tf.ensure_shape(images, [contents.shape[0], *shape])

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
        raise UserError(where + _UNDECODABLE) from None
