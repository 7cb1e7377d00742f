"""What layers, networks and what stands below them take of Keras beyond its public API.

The trainer's own needs are in `tfvae/trainer/keras_compat.py`: a floor up, and of no use here. Each
entry says what it repairs and how one would notice that Keras changed; `tests/test_private_api.py`
holds the list.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from unittest import mock

import keras
import tensorflow as tf

from tfvae.errors import UserError

__all__ = [
    "KERAS_MASK",
    "CarriesKerasMask",
    "accumulators",
    "batches_counter",
    "decided",
    "layer_method_replaced",
    "replace_layer",
    "seed_states",
]

# Keras wraps the message of an error that comes out of a layer into a page about the call's
# arguments, but for errors that have this attribute: it takes them for wrapped already.
# If it goes: `UserError`s raised in layers have many lines again, and
# `tests/distributions/test_keras_compat.py` fails.
UserError._keras_call_info_injected = True

KERAS_MASK = "_keras_mask"


class CarriesKerasMask:
    """Hands Keras's mask of time steps on to the tensor in `self.value()`.

    Keras keeps the mask as an attribute of the tensor that a layer returns, under a private name.
    If the name changes: a mask no longer passes through a probability layer, and
    `tests/distributions/test_keras_compat.py` fails.
    """

    @property
    def _keras_mask(self):
        return getattr(self.value(), KERAS_MASK, None)

    @_keras_mask.setter
    def _keras_mask(self, mask):
        setattr(self.value(), KERAS_MASK, mask)


@contextlib.contextmanager
def layer_method_replaced(name: str, make: Callable[[Callable], Callable]) -> Iterator[None]:
    """Replaces a method of `keras.layers.Layer` for all layers while the block runs.

    Keras has no hook for what is watched this way: the shape of a weight before its array is
    filled (a hostile file), the output of each layer inside a model (where a NaN began).
    If Keras goes around the method: the tests of the two, in tests/saving and tests/runs, fail.

    Args:
        name: Name of the method.
        make: Makes the new method of the old one.
    """
    old = getattr(keras.layers.Layer, name)
    with mock.patch.object(keras.layers.Layer, name, make(old)):
        yield


def seed_states(layer: keras.layers.Layer) -> list[keras.Variable]:
    """The states of all `keras.random.SeedGenerator` in a layer, in the order of its variables.

    `Layer.variables` is public and says that it holds the random seeds; that they are known by
    their name alone is not.
    If the name changes: a model with `Dropout` no longer repeats a step, and
    `tests/layers/test_noise_scope.py` fails.
    """
    return [v for v in layer.variables if v.path.split("/")[-1] == "seed_generator_state"]


def accumulators(optimizer: keras.optimizers.Optimizer, weights: Sequence) -> list[keras.Variable]:
    """The sums of the gradients since the last update of an optimizer that accumulates them.

    Args:
        optimizer: The optimizer, built.
        weights: The weights.

    Returns:
        A variable for each weight. If Keras keeps them elsewhere: accumulation on replicas fails,
        and `tests/trainer/test_on_replicas.py` with it.
    """
    return [optimizer._accumulated_gradients[optimizer._get_variable_index(w)] for w in weights]


def batches_counter(optimizer: keras.optimizers.Optimizer):
    """The variable that counts the batches that an optimizer was given gradients of.

    `optimizer.iterations` counts updates, and stands still while gradients are accumulated. The
    variable is the first of the optimizer's, and saved with them.
    If its name changes: `tests/trainer/test_accumulation.py` fails.

    Args:
        optimizer: The optimizer, or a `LossScaleOptimizer` around it.

    Returns:
        A scalar `keras.Variable`.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if not optimizer.gradient_accumulation_steps:
        return optimizer.iterations
    return getattr(optimizer, "_iterations", optimizer.variables[0])


class _Decided:
    """The counter of an optimizer's batches, in whose remainder `decided` has put the answer."""

    def __init__(self, counter: keras.Variable, now: bool):
        self.counter, self.now = counter, now
        self.dtype, self.shape = counter.dtype, counter.shape

    def __add__(self, other: int) -> _Decided:
        return self

    def __mod__(self, steps: int) -> int:
        return 0 if self.now else 1

    def __tf_tensor__(self, dtype=None, name=None) -> tf.Tensor:
        return tf.convert_to_tensor(self.counter, dtype)

    def assign_add(self, value: int) -> None:
        self.counter.assign_add(value)


@contextlib.contextmanager
def decided(optimizer: keras.optimizers.Optimizer, now: bool) -> Iterator[None]:
    """An optimizer that accumulates gradients does not ask whether it is time for an update.

    Keras asks with (batches + 1) % n == 0, inside of each replica, where an update cannot be
    conditional. Here the answer is given beforehand, and no condition is left in the graph; all
    else of Keras's update stays as it is.
    If Keras asks otherwise: `tests/trainer/test_on_replicas.py` fails.

    Args:
        optimizer: The optimizer.
        now: The answer.
    """
    counter = optimizer._iterations
    vars(optimizer)["_iterations"] = _Decided(counter, now)
    try:
        yield
    finally:
        vars(optimizer)["_iterations"] = counter


def replace_layer(owner: keras.layers.Layer, name: str, new: keras.layers.Layer) -> None:
    """Puts a layer in the place of another one inside a layer that is built.

    Keras closes a built layer to new ones and keeps those that an attribute no longer holds, whose
    weights would be trained and saved on. If its tracker changes:
    `tests/distributions/test_keras_compat.py` fails, and replacing a prior raises.

    Args:
        owner: The layer that has the attribute.
        name: The attribute.
        new: What it is to hold.
    """
    tracker = owner._tracker
    locked = tracker.locked
    tracker.unlock()
    try:
        tracker.untrack(getattr(owner, name))
        setattr(owner, name, new)
    finally:
        if locked:
            tracker.lock()
