"""All that is used of Keras's private parts: what each repairs, and how a change would show.

| private in Keras | what for | a change shows |
|---|---|---|
| `Model._maybe_symbolic_build` | Keras averages the first batch over the replicas to build the \
model from it, and fails where their shares differ in size | \
`tests/trainer/test_on_replicas.py::test_keras_still_cannot_share_a_first_batch_unevenly` fails |
| `Optimizer._get_variable_index`, `Adam._momentums`, `Adam._velocities` | the slots of a weight, \
for the fused update | `tests/trainer/test_adam.py` fails; a run takes Keras's own update |
| `Optimizer._iterations` | batches seen, where `iterations` counts updates: under gradient \
accumulation the noise needs the former | `tests/trainer/test_accumulation.py` fails |
| `shapes_dict` in a saved model's build configuration | models that were saved before ours said \
`x_shape` itself | `tests/saving` fails |
| `keras.layers.Layer.__call__` replaced for a while | the search for the first layer whose \
output is not finite | `tests/runs/test_finite.py` fails |

`UserError._keras_call_info_injected` stands in `tfvae/errors.py`, below everything that raises.
Where the version of Keras is not among those that were tried, a line says so, and whatever has a
public way takes it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator

import keras
from absl import logging

__all__ = [
    "adam_slots",
    "batches_counter",
    "every_layer_call",
    "is_known",
    "saved_shapes",
    "without_a_first_batch",
]

KNOWN = ((3, 12), (3, 15))  # the first and the last version that the tests were run with


def is_known() -> bool:
    """Whether Keras is one whose private parts are known; says so once where it is not."""
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


def without_a_first_batch(model: type[keras.Model]) -> type[keras.Model]:
    """Class decorator: a model that is built needs no batch before `fit` but its optimizer's slots.

    Where Keras has no such function any more, it is left alone.
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


def batches_counter(optimizer: keras.optimizers.Optimizer):
    """The variable that counts the batches that an optimizer was given gradients of.

    `optimizer.iterations` counts updates, and stands still while gradients are accumulated. The
    variable is the first of the optimizer's, and saved with them.

    Args:
        optimizer: The optimizer, or a `LossScaleOptimizer` around it.

    Returns:
        A scalar `keras.Variable`.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if not optimizer.gradient_accumulation_steps:
        return optimizer.iterations
    return getattr(optimizer, "_iterations", optimizer.variables[0])


def saved_shapes(config: dict) -> dict[str, list | tuple]:
    """The shapes of data and context in a saved model's build configuration.

    Args:
        config: What the model said when it was saved; earlier ones left it to Keras.

    Returns:
        `x_shape`, and `context_shape` where there is one.
    """
    if "x_shape" in config:
        return {name: config[name] for name in ("x_shape", "context_shape") if config.get(name)}
    return config.get("shapes_dict") or {"x_shape": config["input_shape"]}


@contextlib.contextmanager
def every_layer_call(watch: Callable) -> Iterator[None]:
    """Shows every call of a layer to a function while the block runs, inner layers first.

    Args:
        watch: Takes the layer and what its call returned.
    """
    call = keras.layers.Layer.__call__

    def watched(layer, *args, **kwargs):
        output = call(layer, *args, **kwargs)
        watch(layer, output)
        return output

    keras.layers.Layer.__call__ = watched
    try:
        yield
    finally:
        keras.layers.Layer.__call__ = call
