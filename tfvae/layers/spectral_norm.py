"""Spectral normalization: every kernel of a network divided by its largest singular value."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["SpectralNorm"]


START = 20  # steps of the iteration when a kernel is made


def _iterated(matrix: tf.Tensor, u: tf.Tensor, steps: int) -> tf.Tensor:
    """The power iteration for the first right singular vector of a matrix."""
    for _ in range(steps):
        u = tf.linalg.matvec(matrix, tf.linalg.matvec(matrix, u), transpose_a=True)
        u = tf.math.l2_normalize(u)
    return u


def _start(kernel: keras.Variable):
    """What makes the first vector u of a kernel."""

    def initializer(shape, dtype=None):
        u = keras.initializers.RandomNormal()(shape, dtype)
        return _iterated(tf.reshape(tf.convert_to_tensor(kernel), [-1, shape[0]]), u, START)

    return initializer


@keras.saving.register_keras_serializable(package="tfvae")
class SpectralNorm(keras.layers.Wrapper):
    """Calls a layer, or a whole trunk, with the kernels W / σ(W), σ the largest singular value.

    Each map is then a contraction, up to its activation. A kernel of more than two axes counts as
    the matrix from all of them to the last one. σ is vᵀWu with u and v from a power iteration: it
    goes on from where it was in each training step, and its vectors are constants of the gradient.
    Keras's own layer of that name assigns the normalized kernel in place of the trained one, which
    replicas cannot do together, and which a step that is left out would not undo; here the kernel
    that is trained stays as it is, and is normalized on the way.

    Args:
        layer: A layer or network; at least one of its weights has two axes or more.
        iterations: Steps of the power iteration in a training step.
        **kwargs: Arguments of `keras.layers.Wrapper`.

    Raises:
        UserError: If there is no such weight, or no step.

    Example:
        >>> layer = SpectralNorm(keras.layers.Dense(3, use_bias=False), iterations=50)
        >>> _ = layer(tf.ones([1, 5]), training=True)
        >>> print(np.linalg.norm(layer(tf.eye(5)), 2).round(3))
        1.0

    References:
        Miyato, Kataoka, Koyama, Yoshida, "Spectral Normalization for Generative Adversarial
        Networks", 2018, Eq. 8 and Algorithm 1.
    """

    def __init__(
        self, layer: keras.layers.Layer, iterations: int = 1, **kwargs: Unpack[LayerOptions]
    ):
        if iterations != int(iterations) or iterations < 1:
            raise UserError(f"iterations takes an integer from 1, got {iterations!r}")
        super().__init__(layer, **kwargs)
        self.iterations = int(iterations)

    def build(self, input_shape):
        """Builds the layer and makes the vector u of each kernel."""
        super().build(input_shape)
        self.kernels = [w for w in self.layer.trainable_weights if len(w.shape) > 1]
        if not self.kernels:
            raise UserError(f"SpectralNorm takes a layer with a kernel, {self.layer.name} has none")
        fixed = {"trainable": False, "aggregation": "only_first_replica"}
        self.vectors = [
            self.add_weight(
                shape=(kernel.shape[-1],), initializer=_start(kernel), name=f"u{i}", **fixed
            )
            for i, kernel in enumerate(self.kernels)
        ]

    def _normalized(self, kernel, vector, training: bool) -> tf.Tensor:
        value = tf.convert_to_tensor(kernel)
        matrix = tf.reshape(value, [-1, kernel.shape[-1]])
        still, u = tf.stop_gradient(matrix), tf.convert_to_tensor(vector)
        u = _iterated(still, u, self.iterations if training else 1)
        if training:
            vector.assign(u)
        v = tf.math.l2_normalize(tf.linalg.matvec(still, u))
        sigma = tf.tensordot(v, tf.linalg.matvec(matrix, u), 1)
        return tf.math.divide_no_nan(value, sigma)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Calls the layer with the normalized kernels."""
        pairs = zip(self.kernels, self.vectors, strict=True)
        # As they are here: around this call others may have put values in their place.
        values = {id(w): tf.convert_to_tensor(w) for w in self.layer.trainable_weights}
        values |= {id(k): self._normalized(k, u, bool(training)) for k, u in pairs}
        state = [(w, values[id(w)]) for w in self.layer.trainable_weights]
        with keras.StatelessScope(state):
            return self.layer(inputs, training=training)

    def compute_output_shape(self, input_shape):
        """That of the wrapped layer."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "iterations": self.iterations}
