"""A prior over maps of codes: a categorical distribution at each position."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = ["CodePrior"]


@keras.saving.register_keras_serializable(package="tfvae")
class CodePrior(keras.layers.Layer):
    """p(k) = Π_i π_i(k_i) over maps k of codes: uniform, until it is fitted to maps of codes.

    The prior inside a `VectorQuantizer`, which builds it. A prior with dependences between the
    positions, such as `CodeTransformer`, overrides the methods.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> prior = CodePrior()
        >>> prior.build((2, 2), 8)
        >>> float(prior.distribution().log_prob([[0, 1], [2, 3]])) / np.log(8)
        -4.0

    References:
        van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017,
        Section 3.3.
    """

    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)

    def build(self, shape=None, codes=None):
        """Makes the weights.

        Args:
            shape: Shape of a map.
            codes: K, the number of codes.
        """
        self.shape, self.codes = tuple(shape), int(codes)
        self.make_weights()

    def get_build_config(self) -> None:
        """Nothing: the quantizer builds its prior."""

    def make_weights(self) -> None:
        """Makes the logits of every position."""
        self.logits = self.add_weight(
            shape=(*self.shape, self.codes),
            initializer="zeros",
            trainable=False,
            autocast=False,
            name="logits",
        )

    def distribution(self) -> tfd.Distribution:
        """Makes the distribution, over integers 0 to K − 1 of the map's shape."""
        logits = tf.convert_to_tensor(self.logits)
        return tfd.Independent(tfd.Categorical(logits), len(self.shape))

    def draw(self, n: int, seed: tf.Tensor, temperature: float = 1.0) -> tf.Tensor:
        """Draws n maps.

        Args:
            n: Number of draws.
            seed: Stateless seed.
            temperature: Divides the logits.

        Returns:
            int32, `[n, *shape]`.
        """
        logits = tf.convert_to_tensor(self.logits) / max(temperature, 1e-6)
        return tfd.Categorical(logits).sample(n, seed=seed)

    def fit(self, codes: np.ndarray, *, epochs=None, seed: int = 0, verbose=0) -> None:
        """Fits the prior to maps of codes: the frequencies, with every code counted once more.

        Args:
            codes: Integers, `[N, *shape]`.
            epochs: Passes over them, for priors that are fitted in steps; None: their own number.
            seed: Seed of their order.
            verbose: As in `keras.Model.fit`.
        """
        counts = np.stack([(codes == k).sum(axis=0) for k in range(self.codes)], axis=-1)
        self.logits.assign(np.log((counts + 1.0) / (len(codes) + self.codes)))

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        # The quantizer says so once the layers inside are there: they have it from then on.
        config.pop("trainable")
        return config
