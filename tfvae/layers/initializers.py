"""An initializer that fills the blocks of a last axis each in its own way."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from tfvae.errors import UserError

__all__ = ["BlockwiseInitializer"]


@keras.saving.register_keras_serializable(package="tfvae")
class BlockwiseInitializer(keras.initializers.Initializer):
    """Concatenates the values of several initializers along the last axis.

    Args:
        initializers: Keras initializers, as objects or by name.
        sizes: Length of the last axis that each of them fills.
        validate_args: Kept for old code; the sizes are always checked.

    Example:
        >>> init = BlockwiseInitializer(["zeros", "ones"], [1, 2])
        >>> init((2, 3)).numpy().tolist()
        [[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    """

    def __init__(self, initializers: Sequence, sizes: Sequence[int], validate_args: bool = False):
        self.initializers = [keras.initializers.get(i) for i in initializers]
        self.sizes = [int(size) for size in sizes]
        self.validate_args = validate_args
        if len(self.initializers) != len(self.sizes):
            raise UserError(
                f"BlockwiseInitializer got {len(self.initializers)} initializers and "
                f"{len(self.sizes)} sizes: give one size for each"
            )

    def __call__(self, shape: Sequence[int], dtype=None):
        """Makes a tensor of `shape`, whose last axis has the length `sum(sizes)`."""
        *leading, last = shape
        if last != sum(self.sizes):
            raise UserError(f"the blocks {self.sizes} do not fill the last axis of {tuple(shape)}")
        blocks = zip(self.initializers, self.sizes, strict=True)
        return keras.ops.concatenate(
            [make((*leading, size), dtype=dtype) for make, size in blocks], axis=-1
        )

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {
            "initializers": [keras.initializers.serialize(i) for i in self.initializers],
            "sizes": self.sizes,
            "validate_args": self.validate_args,
        }
