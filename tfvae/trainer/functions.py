"""The functions that Keras's `fit` and `evaluate` call: several steps on what an iterator gives."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import keras
import tensorflow as tf

__all__ = ["predictions", "steps_on_one_device", "steps_on_replicas"]

ITERATORS = (tf.data.Iterator, tf.distribute.DistributedIterator)


def steps_on_one_device(
    step: Callable,
    batch_of: Callable,
    strategy: tf.distribute.Strategy,
    *,
    count: int,
    jit_compile: bool,
    eager: bool,
) -> Callable:
    """Makes the function that takes steps on one device, all those of a call in one graph.

    Args:
        step: Takes a batch and returns logs.
        batch_of: Makes the batch of an element of the iterator; it is not part of what XLA
            compiles, so that its random numbers are the same with and without.
        strategy: The model's strategy, of one replica.
        count: Steps in one call.
        jit_compile: Whether XLA compiles the step.
        eager: Whether nothing is compiled.

    Returns:
        A function of an iterator that returns the logs of the last step, and raises StopIteration
        where nothing is left to take one on.
    """

    def run(batch):
        batch = keras.tree.map_structure(_without_optional, batch)
        return strategy.run(step, args=(batch,))

    # A function of its own for XLA alone: each costs a first step a tenth of a second.
    on_batch = _compiled(run, eager, jit_compile=True) if jit_compile else run

    def on_element(element):
        return on_batch(batch_of(element))

    def eagerly(iterator):
        logs = None
        for element in itertools.islice(iterator, count):
            logs = on_element(element)
        if logs is None:
            raise StopIteration
        return logs

    if eager:
        return eagerly
    on_element = _compiled(on_element, eager)

    def many(iterator):
        # A loop for a single step as well: at the end of the data, operations that need no batch,
        # such as the optimizer's counter, would otherwise run once more before the error.
        specs = on_element.get_concrete_function(iterator.element_spec).structured_outputs
        specs = tf.nest.map_structure(_spec, specs)
        flat = tf.nest.flatten(specs)

        def take(taken, _, *logs):
            element = iterator.get_next_as_optional()

            def taken_one():
                return taken + 1, True, *tf.nest.flatten(on_element(element.get_value()))

            return tf.cond(element.has_value(), taken_one, lambda: (taken, False, *logs))

        start = [tf.zeros([n or 0 for n in spec.shape], spec.dtype) for spec in flat]
        taken, _, *logs = tf.while_loop(
            lambda taken, more, *_: more & (taken < count),
            take,
            (tf.constant(0), tf.constant(True), *start),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([]), *(s.shape for s in flat)),
        )
        return taken, tf.nest.pack_sequence_as(specs, logs)

    many = _compiled(many, eager)

    def function(iterator):
        if not isinstance(iterator, ITERATORS):
            return eagerly(iterator)  # a list of one batch, from `train_on_batch`
        taken, logs = many(iterator)
        if not taken:
            raise StopIteration
        return logs

    return function


def steps_on_replicas(
    step: Callable,
    strategy: tf.distribute.Strategy,
    *,
    metrics: Callable[[], dict],
    count: int,
    eager: bool,
) -> Callable:
    """Makes the function that takes steps on several replicas, where Keras's own fail.

    Keras's reduce scalar logs along an axis, which fails on several workers, and fail with several
    steps in one call on more than one replica. These read the metrics outside the replicas, where
    each is the sum over all: the logs are those of the global batch, however the replicas share it.
    With several steps in one call, the logs are computed once a call.

    Args:
        step: Takes a replica's part of a batch and returns logs.
        strategy: The model's strategy.
        metrics: Gives the logs that are metrics, by name.
        count: Steps in one call.
        eager: Whether nothing is compiled.

    Returns:
        A function of an iterator that returns the logs, and raises StopIteration where nothing is
        left to take a step on.
    """

    def run(data):
        data = keras.tree.map_structure(_without_optional, data)
        return strategy.run(step, args=(data,))

    def logs_of(outputs):
        exact = metrics()
        return {
            name: exact[name] if name in exact else strategy.reduce("MEAN", value, axis=None)
            for name, value in outputs.items()
        }

    # Fetched apart from the step: at the end of the data, operations of the step that need no
    # batch would otherwise still run.
    fetch = _compiled(lambda iterator: iterator.get_next_as_optional(), eager)
    run_item = _compiled(lambda item: run(item.get_value()), eager)
    run_batch, logs_of = _compiled(run, eager), _compiled(logs_of, eager)

    def steps_on(iterator):
        if not isinstance(iterator, ITERATORS):
            yield from map(run_batch, iterator)  # a list of one batch, from `train_on_batch`
        else:
            while (item := fetch(iterator)).has_value():
                yield run_item(item)

    def function(iterator):
        outputs = None
        # No loop in the graph: its collectives keep the shape that they first had, and the last
        # batch has another.
        for outputs in itertools.islice(steps_on(iterator), count):  # noqa: B007
            pass
        if outputs is None:
            raise StopIteration
        return logs_of(outputs)

    return function


def predictions(one: Callable) -> Callable:
    """Makes the function that predicts for several batches: Keras writes all out in one graph.

    Args:
        one: Predicts for a list of one batch.
    """

    def function(data: list):
        parts = [one([batch]) for batch in data]
        return keras.tree.map_structure(lambda *part: tf.concat(part, axis=0), *parts)

    return function


def _compiled(function: Callable, eager: bool, **options) -> Callable:
    # As it stands: autograph would convert the user's steps as well.
    function = tf.autograph.experimental.do_not_convert(function)
    return function if eager else tf.function(function, reduce_retracing=True, **options)


def _spec(output) -> tf.TensorSpec:
    return tf.TensorSpec(output.shape, output.dtype)


def _without_optional(part):
    """Keras hands None through an iterator as an empty optional."""
    return None if isinstance(part, tf.experimental.Optional) else part
