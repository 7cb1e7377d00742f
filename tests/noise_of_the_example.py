"""An encoder whose noise is the same on any replica, for tests that compare them."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class FixedNoise(tfd.Normal):
    """A normal whose noise is a function of the example, so that it is the same on any replica."""

    def __init__(self, loc, scale, noise, name="FixedNoise"):
        parameters = dict(locals())
        self.noise = noise
        super().__init__(loc, scale, name=name)
        self._parameters = parameters

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {
            **super()._parameter_properties(dtype, num_classes),
            "noise": tfp.util.ParameterProperties(),
        }

    def _sample_n(self, n, seed=None):
        k = tf.range(1.0, tf.cast(n, tf.float32) + 1.0)[:, None, None]
        return self.loc + self.scale * 2.0 * tf.sin(k * self.noise)


class NoiseOfTheExample(keras.layers.Layer):
    """A linear encoder of 3x2 images with noise that the image determines."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(4)

    def build(self, shape):
        self.dense.build((None, 6))

    def call(self, x):
        x = tf.reshape(x, [-1, 6])
        loc, raw = tf.split(self.dense(x), 2, axis=-1)
        noise = tf.linalg.matmul(
            x, [[1.0, 9.0], [2.0, 7.0], [3.0, 1.0], [5.0, 2.0], [7.0, 4.0], [11.0, 8.0]]
        )
        return tfd.Independent(FixedNoise(loc, 0.1 + tf.nn.softplus(raw), noise), 1)
