"""A prior over maps of codes: a categorical distribution at each position."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError
from tfvae.options.keywords import LayerOptions, Unpack

tfd = tfp.distributions

__all__ = ["CodePrior"]


@keras.saving.register_keras_serializable(package="tfvae")
class CodePrior(keras.layers.Layer):
    """p(k) = Π_i π_i(k_i) over maps k of codes: uniform, until it is fitted to maps of codes.

    The prior inside a `VectorQuantizer`, which builds it. With a conditioner there, which has to
    give the class of an example in one-hot form, each class has probabilities of its own:
    p(k|c) = Π_i π_ic(k_i). A prior with dependences between the positions, such as
    `CodeTransformer`, overrides `make_weights`, `distribution` and `fit`.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> prior = CodePrior()
        >>> prior.build((2, 2), 8)
        >>> round(float(prior.distribution().log_prob([[0, 1], [2, 3]]) / np.log(8)), 4)
        -4.0

    References:
        van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017,
        Section 3.3.
    """

    def __init__(self, **kwargs: Unpack[LayerOptions]):
        kwargs.setdefault("dtype", keras.config.dtype_policy().variable_dtype)
        super().__init__(**kwargs)

    def build(self, shape=None, codes=None, vector=None, depth=1):
        """Makes the weights.

        Args:
            shape: Shape of a map; several codes of a position are its last axis.
            codes: K, the number of codes.
            vector: A vector of the conditioner, `[batch, size]`; None without one.
            depth: Codes of a position.

        Raises:
            UserError: If the vector is not of a kind that the prior takes.
        """
        self.shape, self.codes, self.depth = tuple(shape), int(codes), int(depth)
        self.make_weights(vector)

    def get_build_config(self) -> None:
        """Returns nothing: the quantizer builds its prior."""

    def make_weights(self, vector: tf.Tensor | None) -> None:
        """Makes the logits of every position, for each class where there is a vector."""
        if vector is not None and not _one_hot(vector):
            raise UserError(
                "CodePrior counts codes class by class, and the conditioner's vector is not the "
                "class of an example in one-hot form: take CodeTransformer"
            )
        classes = () if vector is None else (vector.shape[1],)
        self.logits = self.add_weight(
            shape=(*classes, *self.shape, self.codes),
            initializer="zeros",
            trainable=False,
            autocast=False,
            name="logits",
        )

    def distribution(self, vector: tf.Tensor | None = None) -> tfd.Distribution:
        """Makes the distribution, over integers 0 to K − 1 of the map's shape.

        Args:
            vector: The conditioner's, `[batch, size]`; None without one.

        Returns:
            Of batch shape `[]`, or `[batch]` with a vector.
        """
        logits = tf.convert_to_tensor(self.logits)
        logits = logits if vector is None else tf.tensordot(vector, logits, 1)
        return tfd.Independent(tfd.Categorical(logits), len(self.shape))

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
        """Fits the prior to maps of codes: the frequencies, with every code counted once more.

        Args:
            codes: Integers, `[N, *shape]`.
            vectors: The conditioner's, `[N, size]`; None without one.
            weights: How much each map counts, `[N]`; None: all the same, once.
            epochs: Passes over them, for priors that are fitted in steps; None: their own number.
            seed: Seed of their order.
            verbose: As in `keras.Model.fit`.
        """
        flat = np.reshape(codes, [len(codes), -1])
        members = np.ones([1, len(codes)]) if vectors is None else np.transpose(vectors)
        members = members if weights is None else members * weights
        counts = 1.0 + np.array(
            [[np.bincount(k, of, self.codes) for k in flat.T] for of in members]
        )
        logits = np.log(counts / counts.sum(axis=-1, keepdims=True))
        self.logits.assign(np.reshape(logits, self.logits.shape))

    def get_config(self) -> dict:
        """Configuration for saving."""
        config = super().get_config()
        # Set by the quantizer once the layers inside exist, which then have it too.
        config.pop("trainable")
        return config


def _one_hot(vector: tf.Tensor) -> bool:
    """Whether each row is one-hot; true where the values are not known yet."""
    values = tf.get_static_value(vector)
    return values is None or bool(
        np.all((values == 0) | (values == 1)) and np.all(values.sum(-1) == 1)
    )
