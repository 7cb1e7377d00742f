"""The base of the priors over maps of codes that an autoregressive network defines."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.data.parallelism import without_tuning
from tfvae.errors import UserError
from tfvae.options.keywords import LayerOptions, Unpack
from tfvae.priors.code_maps import CodeMaps
from tfvae.priors.code_network import CodeNetwork
from tfvae.priors.code_prior import CodePrior
from tfvae.priors.maximizing import rows_of_steps

tfd = tfp.distributions

__all__ = ["AutoregressiveCodes"]


class AutoregressiveCodes(CodePrior):
    """p(k) = Π_i p(k_i | k_1, ..., k_{i−1}), the positions of the map row by row.

    Several codes of a position come one after the other. Uniform until it is fitted. A prior
    defines `make_network`.

    Args:
        width: Features of a position.
        heads: Attention heads.
        steps: Steps of Adam in `fit`, where no number of epochs is given.
        batch_size: Maps in a step.
        learning_rate: Of Adam, falling to zero along a cosine.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        steps: int = 1000,
        batch_size: int = 64,
        learning_rate: float = 2e-3,
        **kwargs: Unpack[LayerOptions],
    ):
        super().__init__(**kwargs)
        if width % heads:
            raise UserError(f"heads={heads} does not divide width={width}")
        self.width, self.heads = width, heads
        self.steps, self.batch_size, self.learning_rate = steps, batch_size, learning_rate

    def make_network(self, conditional: bool) -> CodeNetwork:
        """Makes the network for maps of `self.shape`.

        Args:
            conditional: Whether it is given a vector.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define make_network(conditional)")

    def make_weights(self, vector: tf.Tensor | None) -> None:
        """Makes the network."""
        self.fitted = self.add_weight(
            shape=(), initializer="zeros", trainable=False, autocast=False, name="fitted"
        )
        self.network = self._network(vector)

    def _network(self, vector) -> CodeNetwork:
        network = self.make_network(vector is not None)
        codes = tf.zeros([1, network.positions * network.depth], tf.int32)
        network(codes if vector is None else (codes, tf.zeros([1, vector.shape[1]])))
        return network

    def distribution(self, vector: tf.Tensor | None = None) -> tfd.Distribution:
        """Makes the distribution, over integers 0 to K − 1 of the map's shape."""
        fitted = tf.convert_to_tensor(self.fitted)
        return CodeMaps(self.network, self.shape, self.codes, fitted, vector)

    def fit(
        self,
        codes: np.ndarray,
        vectors=None,
        *,
        weights=None,
        epochs=None,
        seed: int = 0,
        verbose=0,
    ):
        """Fits the network to maps of codes, `[N, *shape]`; see `CodePrior.fit`.

        The result is a function of the codes, the weights at the start and `seed`.
        """
        codes = np.reshape(codes, [len(codes), -1]).astype(np.int32)
        batch_size = min(self.batch_size, len(codes))
        inputs = codes if vectors is None else (codes, vectors)
        parts = (inputs, codes)
        if weights is not None:  # one for each position: Keras may take [N] for the positions'
            parts += (np.repeat(np.reshape(weights, [-1, 1]), codes.shape[1], axis=1),)
        steps = self.steps if epochs is None else epochs * (len(codes) // batch_size)
        rows = rows_of_steps(len(codes), steps, batch_size, seed)
        data = tf.data.Dataset.from_tensor_slices(rows).map(
            lambda row: tf.nest.map_structure(lambda part: tf.gather(part, row), parts)
        )
        # A copy is trained: on one device, whatever the strategy of the model is.
        copy = self._network(vectors)
        copy.set_weights(self.network.get_weights())
        rate = keras.optimizers.schedules.CosineDecay(self.learning_rate, steps)
        copy.compile(
            keras.optimizers.Adam(rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,  # with several logical devices XLA ends the process
        )
        copy.fit(without_tuning(data), shuffle=False, verbose=verbose)
        self.network.set_weights(copy.get_weights())
        self.fitted.assign(1.0)

    def get_config(self) -> dict:
        """Configuration for saving."""
        names = ("width", "heads", "steps", "batch_size", "learning_rate")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
