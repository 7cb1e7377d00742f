"""What the trainer takes of Keras beyond its public API: what it repairs, how a change would show.

What layers and networks take stands in `tfvae/distributions/keras_compat.py`. Where the version of
Keras is not among those that were tried, a line says so, and whatever has a public way takes it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import warnings
from collections.abc import Iterator

import keras
import tensorflow as tf
from absl import logging

__all__ = [
    "adam_slots",
    "array_batches",
    "called_in_fit",
    "data_may_end",
    "is_known",
    "layers_of",
    "saved_shapes",
    "without_a_first_batch",
]

KNOWN = ((3, 12), (3, 15))  # the first and the last version that the tests were run with


def is_known() -> bool:
    """Whether this Keras is one that was tried; warns once where it is not."""
    known = KNOWN[0] <= tuple(map(int, keras.__version__.split(".")[:2])) <= KNOWN[1]
    if not known:
        _warn(keras.__version__)
    return known


@functools.cache
def _warn(version: str) -> None:
    first, last = (".".join(map(str, known)) for known in KNOWN)
    logging.warning(
        "tfvae was tried with Keras %s to %s, and this is Keras %s: it takes slower public ways "
        "where it can; on several replicas, compare the first losses with those of one device",
        first,
        last,
        version,
    )


def called_in_fit(callback: keras.callbacks.ProgbarLogger) -> bool:
    """Whether an evaluation runs inside of `fit`; False where Keras does not tell.

    One would notice a change by lines of `evaluate` between those of the epochs.
    """
    return getattr(callback, "_called_in_fit", False)


def layers_of(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """A layer and all layers in it, at any depth; the layer alone where Keras does not say."""
    flatten = getattr(layer, "_flatten_layers", None)
    return [layer] if flatten is None else list(flatten())


def without_a_first_batch(model: type[keras.Model]) -> type[keras.Model]:
    """Class decorator: for a built model, Keras makes the optimizer's slots without a batch.

    Keras averages the first batch over the replicas to build the model from it, and fails where
    their shares differ in size (a batch of 100 on three GPUs).
    If the function changes, Keras's own runs again: `tests/trainer/test_on_replicas.py` fails, in
    `test_keras_still_cannot_share_a_first_batch_unevenly` where Keras has been repaired.
    """
    name = "_maybe_symbolic_build"
    inherited = getattr(model, name, None)
    parameters = inspect.signature(inherited).parameters if inherited else ()
    if list(parameters) != ["self", "iterator", "data_batch"]:
        return model

    def build(self, iterator=None, data_batch=None):
        if not self.built:
            inherited(self, iterator=iterator, data_batch=data_batch)
        elif self.optimizer is not None and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    setattr(model, name, build)
    return model


def adam_slots(optimizer: keras.optimizers.Adam, variable) -> tuple | None:
    """The moments that Keras's Adam keeps of a weight, which it has no public name for.

    The fused update works on them. If the names change: `tests/trainer/test_adam.py` fails.

    Args:
        optimizer: The optimizer, built.
        variable: The weight.

    Returns:
        The first moment and the second; None where this Keras is not known.
    """
    if not is_known():
        return None
    slot = optimizer._get_variable_index(variable)
    return optimizer._momentums[slot], optimizer._velocities[slot]


def array_batches(
    x, y=None, weights=None, *, batch_size: int | None, steps: int | None, shuffle: bool | str
) -> tf.data.Dataset | None:
    """The batches that Keras makes of arrays, in the order that it gives them for a global seed.

    Keras makes a data set of them inside of `fit`, where its options cannot be set. If its adapter
    goes elsewhere: arrays are left to Keras, and `tests/trainer/test_input_path.py` fails.

    Args:
        x: Anything.
        y: As in `keras.Model.fit`.
        weights: As in `keras.Model.fit`.
        batch_size: As in `keras.Model.fit`.
        steps: Steps in an epoch, where the caller has said so.
        shuffle: As in `keras.Model.fit`.

    Returns:
        The data set; None where these are no arrays.
    """
    try:
        from keras.src.trainers.data_adapters import array_data_adapter
    except ImportError:
        return None
    if x is None or not array_data_adapter.can_convert_arrays((x, y, weights)):
        return None
    adapter = array_data_adapter.ArrayDataAdapter(
        x, y, sample_weight=weights, batch_size=batch_size, steps=steps, shuffle=shuffle
    )
    length = tf.data.experimental.assert_cardinality(adapter.num_batches)
    return adapter.get_tf_dataset().apply(length)


@contextlib.contextmanager
def data_may_end(expected: bool) -> Iterator[None]:
    """Without Keras's warning that the data ran out, which it gives at their end as well.

    It says so wherever it had not known the length, and the epoch was whole. If its words change,
    the warning is back: `tests/trainer/test_progress.py` fails.

    Args:
        expected: Whether nobody said how many steps there should be.
    """
    with warnings.catch_warnings():
        if expected:
            warnings.filterwarnings("ignore", "Your input ran out of data; interrupting training")
        yield


def saved_shapes(config: dict) -> dict[str, list | tuple]:
    """The shapes of data and context in a saved model's build configuration.

    If Keras writes others: models of earlier versions do not load; ours name their shapes.

    Args:
        config: What the model said when it was saved; earlier ones left it to Keras.

    Returns:
        `x_shape`, and `context_shape` where there is one.
    """
    if "x_shape" in config:
        return {name: config[name] for name in ("x_shape", "context_shape") if config.get(name)}
    return config.get("shapes_dict") or {"x_shape": config["input_shape"]}
