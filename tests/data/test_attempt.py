import numpy as np
import tensorflow as tf

from tfvae.data.attempt import attempt


def test_what_fails_inside_a_graph_is_replaced():
    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def number(text):
        return attempt(lambda one: (tf.strings.to_number(one), True), (text,), (-1.0, False))

    assert [tuple(map(float, number(text))) for text in ("7", "seven")] == [(7, 1), (-1, 0)]


def test_results_may_have_another_shape_than_what_replaces_them():
    def pixels(content):
        return attempt(
            lambda one: (tf.io.decode_png(one, 1),), (content,), (tf.zeros([0, 1, 1], tf.uint8),)
        )[0]

    contents = [tf.io.encode_png(np.full((2, 3, 1), 7, np.uint8)).numpy(), b"x"]
    whole, damaged = tf.data.Dataset.from_tensor_slices(contents).map(pixels)
    assert np.array_equal(whole, np.full((2, 3, 1), 7))
    assert damaged.shape == (0, 1, 1)
