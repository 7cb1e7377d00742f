"""A Keras model that trains on several replicas where Keras fails."""

from __future__ import annotations

import itertools

import keras
import tensorflow as tf
from absl import logging

from tfvae.distribute import workers
from tfvae.distribute.one_processor import WholeBatches, many_steps, on_one_processor
from tfvae.distribute.workers import is_chief
from tfvae.errors import UserError

__all__ = ["ReplicatedModel", "adam_slots"]

KERAS = ((3, 12), (3, 15))  # the versions whose private parts `ReplicatedModel` overrides


class ReplicatedModel(keras.Model):
    """A Keras model that trains on several replicas where Keras 3.15 fails; tests say when it does.

    Keras averages the first batch over the replicas to build the model from it, and fails where
    their shares differ (a batch of 100 on three GPUs). A model that is built before it is trained
    needs none of that but its optimizer's variables.

    Its compiled functions reduce scalar logs along an axis, which fails on several workers, and
    fail with several steps in one call on more than one replica: those below take their place
    there. They read the metrics outside the replicas, where each is the sum over all: the logs are
    those of the global batch, however the replicas share it. With several steps in one call, the
    logs are computed once a call.

    Of several workers all call `fit`, `evaluate`, `predict` and `save` alike; the chief alone
    writes files.
    """

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if not self.built:
            super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)
        elif self.optimizer is not None and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    @property
    def _replicated(self) -> bool:
        strategy = self.distribute_strategy
        return strategy.num_replicas_in_sync > 1 or workers.several_workers(strategy)

    def compile(self, *args, jit_compile="auto", **kwargs):
        """Configures the training: `keras.Model.compile`."""
        if self._replicated:
            _check_version()
            if jit_compile is True:
                raise UserError(
                    "jit_compile=True does not work on several replicas in this TensorFlow: leave "
                    "it out, or train on one device"
                )
            jit_compile = False
        super().compile(*args, jit_compile=jit_compile, **kwargs)

    def make_train_function(self, force: bool = False):
        """Makes the function that takes the training steps of one call."""
        if not self._replicated:
            return super().make_train_function(force)
        if force or self.train_function is None:
            self.train_function = self._steps("train_step")
        return self.train_function

    def make_test_function(self, force: bool = False):
        """Makes the function that takes the evaluation steps of one call."""
        if not self._replicated:
            return super().make_test_function(force)
        if force or self.test_function is None:
            self.test_function = self._steps("test_step")
        return self.test_function

    def make_predict_function(self, force: bool = False):
        """Makes the function that predicts for the batches of one call."""
        count = self.steps_per_execution
        if not self._replicated or count == 1:
            return super().make_predict_function(force)
        if force or self.predict_function is None:
            # Keras would write all steps out in one graph, and gather after each.
            self.steps_per_execution = 1
            super().make_predict_function(force)
            self.steps_per_execution, one = count, self.predict_function
            self.predict_function = lambda data: keras.tree.map_structure(
                lambda *parts: tf.concat(parts, axis=0), *[one([batch]) for batch in data]
            )
        return self.predict_function

    def _steps(self, name: str):
        """The function of an iterator that takes `steps_per_execution` steps on all replicas."""
        strategy, count = self.distribute_strategy, self.steps_per_execution
        step = getattr(self, name)

        def run(data):
            data = keras.tree.map_structure(_without_optional, data)
            return strategy.run(step, args=(data,))

        def logs_of(outputs):
            exact = self.get_metrics_result()
            return {
                name: exact[name] if name in exact else strategy.reduce("MEAN", value, axis=None)
                for name, value in outputs.items()
            }

        def compiled(function):
            # As it stands: autograph would convert the user's steps as well.
            function = tf.autograph.experimental.do_not_convert(function)
            return function if self.run_eagerly else tf.function(function, reduce_retracing=True)

        # Apart from the step: at the end of the data, what needs none of them would still run.
        whole = many_steps(strategy, step, self._batch_of, count)
        metrics = compiled(self.get_metrics_result)
        fetch = compiled(lambda iterator: iterator.get_next_as_optional())
        run_item = compiled(lambda item: run(item.get_value()))
        run_batch, logs_of = compiled(run), compiled(logs_of)

        def steps_on(iterator):
            if not isinstance(iterator, (tf.data.Iterator, tf.distribute.DistributedIterator)):
                yield from map(run_batch, iterator)  # of `train_on_batch`
            else:
                while (item := fetch(iterator)).has_value():
                    yield run_item(item)

        def function(iterator):
            if isinstance(iterator, tf.data.Iterator) and self._takes_whole(name):
                if not whole(iterator):
                    raise StopIteration
                return metrics()
            outputs = None
            # No loop in the graph: its collectives keep the shape that they first had, and the
            # last batch has another.
            for outputs in itertools.islice(steps_on(iterator), count):  # noqa: B007
                pass
            if outputs is None:
                raise StopIteration
            return logs_of(outputs)

        return function

    def _takes_whole(self, name: str) -> bool:
        """Whether the replicas cut the batches of a step up by themselves."""
        one_processor = on_one_processor(self.distribute_strategy) and not self.run_eagerly
        return one_processor and self._logs_are_metrics(name)

    def _logs_are_metrics(self, name: str) -> bool:
        """Whether a step returns nothing but what `get_metrics_result` does."""
        return False

    def _batch_of(self, data):
        """The batch of an element of the data."""
        return data

    def _shared(self, data, name: str = ""):
        if name and isinstance(data, tf.data.Dataset) and self._takes_whole(name):
            return WholeBatches(data)
        return workers.shared(data, self.distribute_strategy)

    def fit(self, x=None, y=None, *args, validation_data=None, callbacks=None, **kwargs):
        """Trains the model: `keras.Model.fit`."""
        if isinstance(validation_data, (tuple, list)):
            validation_data = tuple(self._shared(part) for part in validation_data)
        with workers.lost_workers(self.distribute_strategy):
            return super().fit(
                self._shared(x, "train_step"),
                y,
                *args,
                validation_data=self._shared(validation_data, "test_step"),
                callbacks=workers.callbacks_here(self.distribute_strategy, callbacks),
                **kwargs,
            )

    def evaluate(self, x=None, *args, **kwargs):
        """Gives the metrics over data: `keras.Model.evaluate`."""
        with workers.lost_workers(self.distribute_strategy):
            return super().evaluate(self._shared(x, "test_step"), *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """Gives the outputs for data, on all workers those for all of it: `keras.Model.predict`."""
        with workers.lost_workers(self.distribute_strategy):
            return super().predict(self._shared(x), *args, **kwargs)

    def save(self, *args, **kwargs):
        """Saves the model, of several workers on the chief alone: `keras.Model.save`."""
        if is_chief(self.distribute_strategy):
            super().save(*args, **kwargs)

    def save_weights(self, *args, **kwargs):
        """Saves the weights, of several workers on the chief alone: `keras.Model.save_weights`."""
        if is_chief(self.distribute_strategy):
            super().save_weights(*args, **kwargs)


def _check_version() -> None:
    """Says so where Keras is not one whose private parts are known."""
    if not KERAS[0] <= tuple(map(int, keras.__version__.split(".")[:2])) <= KERAS[1]:
        logging.warning(
            "training on several replicas repairs Keras %s to %s, and this is Keras %s: compare "
            "the first losses with those of one device",
            *(".".join(map(str, version)) for version in KERAS),
            keras.__version__,
        )


def _without_optional(part):
    """Keras hands None through an iterator as an empty optional."""
    return None if isinstance(part, tf.experimental.Optional) else part


def adam_slots(optimizer: keras.optimizers.Adam, variable) -> tuple:
    """The moments that Keras's Adam keeps of a weight, which it has no public name for.

    Args:
        optimizer: The optimizer, built.
        variable: The weight.

    Returns:
        The first moment and the second.
    """
    slot = optimizer._get_variable_index(variable)
    return optimizer._momentums[slot], optimizer._velocities[slot]
