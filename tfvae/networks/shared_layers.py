"""Layers that several parts of a model share, through a file and back."""

from __future__ import annotations

import keras

__all__ = ["serialize_shared"]


def serialize_shared(layer: keras.layers.Layer | None) -> dict | None:
    """The configuration of a layer that other parts may hold as well, such as a conditioner.

    While a model is saved, Keras gives a layer a number from its second serialization on, and
    writes it into the first one, too; but what `get_config` returned has been copied by then,
    and the first part would be loaded with a layer of its own. Serialized twice in a row, the
    layer has its number wherever it stands.

    Args:
        layer: The layer, or None.

    Returns:
        As `keras.saving.serialize_keras_object`.
    """
    keras.saving.serialize_keras_object(layer)
    return keras.saving.serialize_keras_object(layer)
