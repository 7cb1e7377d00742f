"""An autoregressive prior over maps of codes: a causal transformer in raster order."""

from __future__ import annotations

import functools
import math

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distribute import fold_in
from tfvae.errors import UserError
from tfvae.folding import fold
from tfvae.priors.code_prior import CodePrior

tfd = tfp.distributions

__all__ = ["CodeTransformer"]


@keras.saving.register_keras_serializable(package="tfvae")
class CodeTransformer(CodePrior):
    """p(k) = Π_i p(k_i | k_1, ..., k_{i−1}), the positions of the map row by row.

    Uniform until it is fitted.

    Args:
        width: Features of a position.
        heads: Attention heads.
        blocks: Blocks of attention and a two-layer network.
        steps: Steps of Adam in `fit`, where no number of epochs is given.
        batch_size: Maps in a step.
        learning_rate: Of Adam, falling to zero along a cosine.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> prior = VectorQuantizer(codes=128, code_prior=CodeTransformer(width=64))

    References:
        van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017,
        Section 3.3 (there a PixelCNN).
        Razavi, van den Oord, Vinyals, "Generating Diverse High-Fidelity Images with VQ-VAE-2",
        2019, Section 3.2.
    """

    def __init__(
        self,
        width: int = 64,
        heads: int = 4,
        blocks: int = 2,
        *,
        steps: int = 1000,
        batch_size: int = 64,
        learning_rate: float = 2e-3,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if width % heads:
            raise UserError(f"heads={heads} does not divide width={width}")
        self.arguments = {
            "width": width,
            "heads": heads,
            "blocks": blocks,
            "steps": steps,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
        }

    def make_weights(self) -> None:
        """Makes the transformer; the last kernel is zero, so that all codes are as likely."""
        width, heads = self.arguments["width"], self.arguments["heads"]
        positions = math.prod(self.shape)
        dense = functools.partial(keras.layers.Dense, dtype=self.dtype_policy)
        norm = functools.partial(keras.layers.LayerNormalization, dtype=self.dtype_policy)
        weight = functools.partial(self.add_weight, autocast=False)
        self.fitted = weight(shape=(), initializer="zeros", trainable=False, name="fitted")
        self.start = weight(shape=(1, 1, width), initializer="zeros", name="start")
        self.place = weight(
            shape=(positions, width),
            initializer=keras.initializers.RandomNormal(stddev=0.1),
            name="place",
        )
        self.token = keras.layers.Embedding(
            self.codes, width, keras.initializers.RandomNormal(stddev=0.3), dtype=self.dtype_policy
        )
        self.blocks = [
            (
                norm(),
                keras.layers.MultiHeadAttention(heads, width // heads, dtype=self.dtype_policy),
                norm(),
                dense(4 * width, "gelu"),
                dense(width),
            )
            for _ in range(self.arguments["blocks"])
        ]
        self.last = [norm(), dense(self.codes, kernel_initializer="zeros")]
        self.conditionals(tf.zeros([1, positions], tf.int32))

    def conditionals(self, codes: tf.Tensor) -> tf.Tensor:
        """The logits of p(k_i | k_1, ..., k_{i−1}) for all i at once.

        Args:
            codes: int32, `[n, positions]`.

        Returns:
            `[n, positions, K]`.
        """
        before = self.token(codes[:, :-1])
        start = tf.repeat(tf.convert_to_tensor(self.start), tf.shape(codes)[0], axis=0)
        h = tf.concat([start, before], axis=1) + self.place
        for norm, attention, norm_2, wide, narrow in self.blocks:
            y = norm(h)
            h += attention(y, y, use_causal_mask=True)
            h += narrow(wide(norm_2(h)))
        norm, logits = self.last
        return logits(norm(h))

    def distribution(self) -> tfd.Distribution:
        """Makes the distribution, over integers 0 to K − 1 of the map's shape."""
        return _CodeMaps(self)

    def draw(self, n: int, seed: tf.Tensor, temperature: float = 1.0) -> tf.Tensor:
        """Draws n maps, one position after the other; `temperature` divides the logits."""
        return self._compiled_draw(tf.constant(n), seed, tf.constant(temperature, tf.float32))

    @functools.cached_property
    def _compiled_draw(self):
        return tf.function(self._draw, reduce_retracing=True, autograph=False)

    def _draw(self, n: tf.Tensor, seed: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
        positions = math.prod(self.shape)

        def step(i, codes):
            logits = self.conditionals(tf.transpose(codes))[:, i] / tf.maximum(temperature, 1e-6)
            new = tf.random.stateless_categorical(logits, 1, fold_in(seed, i), tf.int32)
            return i + 1, tf.tensor_scatter_nd_update(codes, [[i]], tf.transpose(new))

        codes = tf.zeros([positions, n], tf.int32)
        shapes = [tf.TensorShape([]), tf.TensorShape([positions, None])]
        _, codes = tf.while_loop(
            lambda i, _: i < positions, step, [tf.constant(0), codes], shape_invariants=shapes
        )
        return tf.reshape(tf.transpose(codes), [-1, *self.shape])

    def fit(self, codes: np.ndarray, *, epochs=None, seed: int = 0, verbose=0) -> None:
        """Fits the transformer to maps of codes, `[N, *shape]`; see `CodePrior.fit`."""
        codes = np.reshape(codes, [len(codes), -1]).astype(np.int32)
        batch_size = min(self.arguments["batch_size"], len(codes))
        data = tf.data.Dataset.from_tensor_slices((codes, codes))
        data = data.shuffle(len(codes), seed=seed).batch(batch_size, drop_remainder=True)
        steps = self.arguments["steps"] if epochs is None else epochs * int(data.cardinality())
        # A copy learns: it has one device, whatever the strategy of the model is.
        copy = type(self).from_config(self.get_config())
        copy.build(self.shape, self.codes)
        copy.set_weights(self.get_weights())
        model = CodeTeacher(copy)
        rate = keras.optimizers.schedules.CosineDecay(self.arguments["learning_rate"], steps)
        model.compile(
            keras.optimizers.Adam(rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,  # XLA beside several logical devices ends the process
        )
        model.fit(data.repeat().take(steps), shuffle=False, verbose=verbose)
        copy.fitted.assign(1.0)
        self.set_weights(copy.get_weights())

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), **self.arguments}


class CodeTeacher(keras.Model):
    """A transformer as a Keras model from codes to the logits of each, given those before it."""

    def __init__(self, prior: CodeTransformer):
        super().__init__()
        self.prior = prior

    def call(self, codes):
        """The logits, `[n, positions, K]`."""
        return self.prior.conditionals(codes)


class _CodeMaps(tfd.Distribution):
    """The distribution that a transformer defines."""

    def __init__(self, prior: CodeTransformer):
        self._prior = prior
        super().__init__(
            dtype=tf.int32,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters={},
            name="CodeTransformer",
        )

    def _batch_shape_tensor(self):
        return tf.zeros([0], tf.int32)

    def _batch_shape(self):
        return tf.TensorShape([])

    def _event_shape_tensor(self):
        return tf.constant(self._prior.shape)

    def _event_shape(self):
        return tf.TensorShape(self._prior.shape)

    def _log_prob(self, value):
        prior, rank = self._prior, value.shape.rank - len(self._prior.shape)
        batch = tf.shape(value)[:rank]
        codes = tf.cast(fold(value, len(prior.shape)), tf.int32)
        codes = tf.reshape(codes, [-1, math.prod(prior.shape)])

        def fitted():
            logits = prior.conditionals(codes)
            return -tf.nn.sparse_softmax_cross_entropy_with_logits(codes, logits)

        def uniform():
            return tf.fill(tf.shape(codes), -math.log(prior.codes))

        # Not to be computed in each step of the training that comes before; and no gradient of it,
        # which `fit` takes by itself: XLA fails on that of the condition.
        log_probs = tf.cond(tf.convert_to_tensor(prior.fitted) > 0.5, fitted, uniform)
        log_probs = tf.stop_gradient(log_probs)
        return tf.reshape(tf.reduce_sum(log_probs, axis=-1), batch)

    def _sample_n(self, n, seed=None):
        seed = tfp.random.sanitize_seed(seed)
        return self._prior._compiled_draw(tf.convert_to_tensor(n), seed, tf.constant(1.0))
