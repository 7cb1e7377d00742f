"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from tfvae.errors import UserError
from tfvae.networks.chain import Chain
from tfvae.options.keywords import LayerOptions, Unpack

__all__ = ["MLP"]


@keras.saving.register_keras_serializable(package="tfvae")
class MLP(Chain):
    """Dense layers on the flattened input.

    Args:
        hidden: Units of each layer.
        activation: Name of a Keras activation, or a registered callable.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> MLP([200, 100])(tf.zeros([4, 28, 28, 1])).shape
        TensorShape([4, 100])
    """

    def __init__(
        self, hidden: Sequence[int] = (200, 200), activation="relu", **kwargs: Unpack[LayerOptions]
    ):
        super().__init__(**kwargs)
        listed = isinstance(hidden, Sequence) and not isinstance(hidden, str)
        if not listed or not all(isinstance(n, (int, np.integer)) and n > 0 for n in hidden):
            raise UserError(
                f"hidden takes the units of each layer, such as (200, 200), got {hidden!r}"
            )
        self.hidden = [int(n) for n in hidden]
        self.activation = keras.activations.get(activation)
        self.stack = [
            keras.layers.Flatten(dtype=self.dtype_policy),
            *(
                keras.layers.Dense(n, activation=self.activation, dtype=self.dtype_policy)
                for n in self.hidden
            ),
        ]

    def get_config(self) -> dict:
        """Configuration for saving."""
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "hidden": self.hidden, "activation": activation}
