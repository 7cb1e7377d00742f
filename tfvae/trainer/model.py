"""A Keras model that is trained on an objective: `fit`, its checks, and the steps."""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from tfvae.data.batches import first_batch, unpack, with_context
from tfvae.data.counting import number_of_examples
from tfvae.data.parts import packed
from tfvae.distribute import as_seed, workers
from tfvae.distribute.agreement import agree
from tfvae.distributions.supports import Support, check_data
from tfvae.errors import NoDensityError, UserError, readable_errors
from tfvae.metrics import OutsideCount, TermMeans
from tfvae.networks.conditional import build_by_call
from tfvae.objectives import Objective
from tfvae.options.keywords import ModelOptions, Unpack
from tfvae.trainer import keras_compat
from tfvae.trainer.adam import Adam
from tfvae.trainer.arguments import (
    check_branches_number,
    check_class_weight,
    check_compiled,
    check_no_target,
    check_on_replicas,
    split_off,
    with_validation_context,
    without_tables,
)
from tfvae.trainer.assigned_numbers import with_assigned_numbers
from tfvae.trainer.branches import check_branches
from tfvae.trainer.facts import facts_of_fit
from tfvae.trainer.finite_guard import Guard
from tfvae.trainer.functions import predictions, steps_on_one_device, steps_on_replicas
from tfvae.trainer.input_path import InputPath
from tfvae.trainer.monitors import give_directions
from tfvae.trainer.progress import ProgressLine
from tfvae.trainer.step import Step, checked, terms_of_latents
from tfvae.trainer.steps_per_call import batches_in, steps_per_call

__all__ = ["Inputs", "ObjectiveModel"]


class Inputs(NamedTuple):
    """A batch of data, taken apart.

    Attributes:
        x: `[batch, *event]`.
        context: What the networks are conditioned on, `[batch, ...]`, or None.
        weights: Sample weights, `[batch]`, or None.
        target: What the objective takes beside x, `[batch, ...]`, or None.
    """

    x: tf.Tensor
    context: tf.Tensor | None
    weights: tf.Tensor | None
    target: tf.Tensor | None


@keras_compat.without_a_first_batch
class ObjectiveModel(keras.Model):
    """Base of `VAE`: everything of it that does not know of encoder, decoder and prior.

    A subclass defines `call(x, context, samples, training, seed)` -> `VAEOutput`. Data come in by
    the `InputPath`; what is done with a batch stands in `Step`; the functions that Keras's `fit`
    calls take several steps at once, on one device and on replicas.

    On several replicas and workers the weights are those of the steps that one device takes on the
    global batches. Of several workers all call `fit`, `evaluate`, `predict` and `save` alike; the
    chief alone writes files.

    Args:
        objective: What is minimised.
        seed: Seed of the noise in training and evaluation.
        **kwargs: Arguments of `keras.Model`.
    """

    def __init__(self, objective: Objective, *, seed: int = 0, **kwargs: Unpack[ModelOptions]):
        # Data are compared with probabilities in float32 whatever the policy: no autocast.
        super().__init__(autocast=False, **kwargs)
        if not isinstance(objective, Objective):
            raise UserError(f"objective takes an object of another kind, got {objective!r}")
        self.objective = objective
        self.seed = int(seed)
        self._auto_pace, self.branches = False, 1  # until `compile` sets another number
        self.guard: Guard | None = None  # set by a callback: what to do with a step that is NaN
        self.steps_traced = 0  # by `train_step`: a subclass may forget to call it
        self.input_path = InputPath(self.distribute_strategy)
        self._shapes: dict[str, tuple | None] | None = None
        self._looked_at: weakref.WeakSet[tf.data.Dataset] = weakref.WeakSet()  # by fit
        self.terms = TermMeans()
        self.outside = OutsideCount()
        self.support: Support | None = None  # the likelihood's, once there was one

    def build(self, x_shape, context_shape=None):
        """Makes all weights for data `[batch, *event]` and a context `[batch, ...]`.

        Args:
            x_shape: Shape of x.
            context_shape: Shape of what stands beside x in the data: of the context, or of the
                target where the objective takes one; None where there is nothing.
        """

        def run(x, y):
            context, target = (None, y) if self.objective.takes_target else (y, None)
            output = self.call(x, context, samples=self.objective.samples)
            # A model whose prior has draws alone can be built, and not trained.
            with contextlib.suppress(NoDensityError):
                terms = self.objective(x, output, target=target).terms
                terms = {**terms, **terms_of_latents(x, output)}
                own = self.objective.own_terms(x, output, seed=as_seed(0))
                if self.terms.names is None:
                    self.terms.build(["loss", *terms, *own])

        build_by_call(run, x_shape, context_shape)
        if not self.objective.built:
            self.objective.build(tuple(x_shape))
        shapes = {"x_shape": x_shape, "context_shape": context_shape}
        self._shapes = {name: shape and (None, *shape[1:]) for name, shape in shapes.items()}

    def get_build_config(self) -> dict | None:
        """The shapes that the weights were made for; None before they are made."""
        return self._shapes and dict(self._shapes)

    def build_from_config(self, config: dict | None) -> None:
        """Builds with the shapes of a saved model; where it fails, with the reason."""
        if config:  # Keras's own goes on without weights, with a warning
            self.build(**keras_compat.saved_shapes(config))

    def compile(
        self,
        optimizer="adam",
        *,
        steps_per_execution: int | str = "auto",
        branches: int = 1,
        jit_compile: bool | str = "auto",
        **kwargs,
    ):
        """Configures the training: `keras.Model.compile`, with a pace of its own.

        Args:
            optimizer: A Keras optimizer or the name of one; `"adam"` is `tfvae.trainer.Adam`.
            steps_per_execution: Steps in one call of the compiled function. `"auto"`: several, as
                `fit` finds fitting for the epoch; one where a callback looks at each batch.
            branches: Parts of a batch that are computed side by side in a step. It pays where the
                layers are small and the device is a CPU, with a part for each core. The gradient
                is that of the whole batch; each part has noise of its own, as a replica has. For
                a loss that is a sum over examples; on several replicas a batch stays whole.
            jit_compile: Whether XLA compiles the step; `"auto"`: as Keras does by itself. It is
                for one device.
            **kwargs: Further arguments of `keras.Model.compile`.

        Raises:
            UserError: If `branches` is no number from 1, or on several replicas something is asked
                for that does not work there: XLA, or accumulated gradients with a loss scale.
        """
        check_branches_number(branches)
        optimizer = Adam() if optimizer == "adam" else keras.optimizers.get(optimizer)
        keras_compat.is_known()  # says so once where it is not
        if self._replicated:
            check_on_replicas(optimizer, jit_compile)
            jit_compile = False
        self.branches = int(branches)
        self._auto_pace = steps_per_execution == "auto"
        steps = 1 if self._auto_pace else steps_per_execution
        super().compile(optimizer, steps_per_execution=steps, jit_compile=jit_compile, **kwargs)
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        with self.distribute_strategy.scope():
            self.objective.accumulate(inner.gradient_accumulation_steps)

    @property
    def modalities(self) -> Mapping[str, Sequence[int]] | None:
        """The shapes of what x is made of, by name, where it is a dict; None: it is one array."""
        return None

    @property
    def _replicated(self) -> bool:
        strategy = self.distribute_strategy
        return strategy.num_replicas_in_sync > 1 or workers.several_workers(strategy)

    def get_compile_config(self) -> dict:
        """The compile state for saving."""
        config = super().get_compile_config()
        if not config:
            return config
        pace = {"steps_per_execution": "auto"} if self._auto_pace else {}
        return {**config, **pace, "branches": self.branches}

    def compile_from_config(self, config: dict) -> None:
        """Compiles with a saved state."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of x, of one example; the model is built."""
        return tuple(self._shapes["x_shape"][1:])

    def start_anew(self, trained: list) -> None:
        """Drops what was compiled, after a part of the built model was replaced.

        Args:
            trained: The weights that were trained before. Where they are others now, the optimizer
                is made anew, and goes on at its step.
        """
        self.train_function = self.test_function = self.predict_function = None
        if self.terms.names is None:
            self.build(**self._shapes)
        if not self.compiled or _ids(trained) == _ids(self.trainable_weights):
            return
        step = int(self.step)
        with self.distribute_strategy.scope():
            self.compile_from_config(self.get_compile_config())
        self.optimizer.iterations.assign(step)

    def _set_pace(self, steps: int) -> None:
        """Sets the steps in one call; what was compiled for another number is dropped."""
        if steps != self.steps_per_execution:
            self.steps_per_execution = steps
            self.train_function = self.test_function = self.predict_function = None

    def make_train_function(self, force: bool = False):
        """Makes the function that takes the training steps of one call; refuses wrong branches."""
        # Checked here, where `train_on_batch` and generators pass as well.
        check_branches(self, self.branches)
        if force or self.train_function is None:
            make = functools.partial(self._steps, checked(self))
            self.train_function = with_assigned_numbers(self.objective, make)
        return self.train_function

    def make_test_function(self, force: bool = False):
        """Makes the function that takes the evaluation steps of one call."""
        if force or self.test_function is None:
            make = functools.partial(self._steps, self.test_step)
            self.test_function = with_assigned_numbers(self.objective, make)
        return self.test_function

    def _steps(self, step):
        """The function of an iterator that takes `steps_per_execution` steps."""
        strategy = self.distribute_strategy
        same = {"count": self.steps_per_execution, "eager": self.run_eagerly}
        if self._replicated:
            return steps_on_replicas(step, strategy, metrics=self.get_metrics_result, **same)
        return steps_on_one_device(
            step, self.input_path.batch, strategy, jit_compile=self.jit_compile, **same
        )

    def make_predict_function(self, force: bool = False):
        """Makes the function that predicts for the batches of one call."""
        count = self.steps_per_execution
        if not self._replicated or count == 1:
            return super().make_predict_function(force)
        if force or self.predict_function is None:
            self.steps_per_execution = 1
            super().make_predict_function(force)
            self.steps_per_execution = count
            self.predict_function = predictions(self.predict_function)
        return self.predict_function

    @readable_errors()
    def fit(self, x=None, y=None, batch_size=None, epochs=1, **kwargs):
        """Trains the model: `keras.Model.fit`, after a look at the first batch.

        Args:
            x: A `tf.data.Dataset` of x, `(x, context)` or `(x, context, sample_weight)`, or an
                array of x: of NumPy or TensorFlow, a pandas frame of numbers, or a sparse matrix of
                SciPy, which is dense in a batch alone; of several modalities, a dict of arrays.
            y: The contexts beside an array.
            batch_size: Batch size, for arrays.
            epochs: Number of epochs.
            **kwargs: Further arguments of `keras.Model.fit`. `verbose` is 0 (silent), 1 or
                `"auto"` (a line an epoch, which on a terminal shows the steps meanwhile), 2 (the
                line when the epoch ends) or `"all"` (and all values below it). Callbacks that
                monitor `elbo`, `distortion`, `bits_per_dim` or an importance-weighted bound, with
                or without `val_`, know which way it gets better; for another term give them `mode`.

        Returns:
            `keras.callbacks.History`, with `loss`, `elbo`, `distortion`, `rate` (nats) and more.

        Raises:
            UserError: If the data set is empty, the likelihood gives its values no density, x
                stands beside itself as a target, `compile` was given a loss or metrics, or several
                workers are not about to do the same.
        """
        check_compiled(self)
        check_class_weight(kwargs.get("class_weight"))
        x = packed(x, self.modalities)
        x, y, weights, batch_size = without_tables(
            x, y, kwargs.pop("sample_weight", None), batch_size, kwargs, training=True
        )
        y, weights = with_context(x, y, weights)
        validation = with_validation_context(kwargs.pop("validation_data", None), self.modalities)
        self._look_at(x, y)
        if self.objective.needs_examples:
            split = kwargs.get("validation_split") or 0.0
            self.objective.counted_examples = number_of_examples(x, validation_split=split)
        held_out = validation if isinstance(validation, (tuple, list)) else (validation,)
        self._look_at(*held_out)
        if not hasattr(x, "shape") and not isinstance(x, keras.utils.PyDataset):
            kwargs.setdefault("shuffle", False)  # Keras cannot and would warn
        callbacks = kwargs.pop("callbacks", None)
        give_directions(callbacks, self.objective)
        if self._auto_pace:
            batches = batches_in(x, batch_size, kwargs.get("steps_per_epoch"))
            self._set_pace(steps_per_call(batches, callbacks))
        callbacks = self._with_progress(callbacks, kwargs)
        before = self.input_path.made
        data = self.input_path.training(x)
        if self.input_path.made is not before:
            self.train_function = None  # it makes batches of the rows of other data
        unknown = batches_in(x, batch_size, kwargs.get("steps_per_epoch")) is None
        with (
            workers.lost_workers(self.distribute_strategy),
            keras_compat.data_may_end(expected=unknown),
        ):
            if workers.several_workers(self.distribute_strategy):
                told = {"x": x, "y": y, "sample_weight": weights, "validation_data": validation}
                numbers = {"batch_size": batch_size, "epochs": epochs, **kwargs}
                agree(self.distribute_strategy, lambda: facts_of_fit(self, told, numbers))
            if kwargs.get("validation_split") and validation is None:
                (data, y, weights), validation = split_off(
                    data, y, weights, kwargs["validation_split"]
                )
            if validation is not None:
                size = kwargs.get("validation_batch_size") or batch_size
                validation = self._validation(validation, size, kwargs)
            data, y, weights, batch_size = self.input_path.arrays(
                data,
                y,
                weights,
                batch_size=batch_size,
                steps=kwargs.get("steps_per_epoch"),
                shuffle=kwargs.get("shuffle", True),
            )
            if isinstance(data, tf.data.Dataset):
                kwargs["shuffle"] = False  # it is shuffled as was asked for
            history = super().fit(
                data,
                y,
                batch_size,
                epochs,
                sample_weight=weights,
                validation_data=validation,
                callbacks=workers.callbacks_here(self.distribute_strategy, callbacks),
                **kwargs,
            )
        self.refuse_outside()
        return history

    def _validation(self, validation, batch_size: int | None, kwargs: dict):
        """What is handed to Keras as the validation data of `fit`."""
        several = isinstance(validation, (tuple, list))
        parts = tuple(map(self.input_path.shared, validation if several else (validation,)))
        steps = kwargs.get("validation_steps")
        made = self.input_path.arrays(*parts, batch_size=batch_size, steps=steps)[0]
        return made if not several or isinstance(made, tf.data.Dataset) else parts

    def refuse_outside(self) -> None:
        """Refuses what the steps since the last reset have seen outside of the support.

        The check of the first batch finds most mistakes before any work; each step counts others.

        Raises:
            UserError: If there was an example outside.
        """
        examples, first = self.outside.read()
        if not examples:
            return
        self.outside.reset_state()
        where = f", the first in batch {first}" if not self._replicated else ""
        raise UserError(
            f"{examples} examples of the data hold values that the likelihood gives no density to"
            f"{where}; it takes {self.support.name}: {self.support.remedy}"
        )

    def reset_metrics(self):
        """Resets the metrics at the start of an epoch or an evaluation; see `refuse_outside`."""
        self.refuse_outside()
        super().reset_metrics()

    def _with_progress(self, callbacks, kwargs: dict):
        """The callbacks with the one that shows the progress, where that is asked for.

        Args:
            callbacks: As in `fit`.
            kwargs: Its `verbose`; `"all"` is one of ours, and Keras's own is put in its place.
        """
        everything = kwargs.get("verbose") == "all"
        if everything:
            kwargs["verbose"] = 1
        if not workers.is_chief(self.distribute_strategy):
            kwargs["verbose"] = 0
        if isinstance(callbacks, keras.callbacks.CallbackList) or not kwargs.get("verbose", 1):
            return callbacks
        return [*keras.tree.flatten(callbacks or []), ProgressLine(everything=everything)]

    def _look_at(self, x, *beside) -> None:
        """Checks the first batch of data, once where they are a data set."""
        if isinstance(x, tf.data.Dataset) and x in self._looked_at:
            return
        batch = first_batch(x, *beside)
        if batch is None:
            return
        check_no_target(batch)
        self.check(batch)
        if isinstance(x, tf.data.Dataset):
            self._looked_at.add(x)

    @readable_errors()
    def evaluate(self, x=None, y=None, batch_size=None, **kwargs):
        """Gives the terms' means over data: `keras.Model.evaluate`.

        Args:
            x: As in `fit`.
            y: As in `fit`.
            batch_size: Batch size, for arrays.
            **kwargs: Further arguments of `keras.Model.evaluate`.

        Returns:
            The loss and the terms; by name with `return_dict=True`.
        """
        weights = kwargs.pop("sample_weight", None)
        x = packed(x, self.modalities)
        x, y, weights, batch_size = without_tables(x, y, weights, batch_size, kwargs)
        y, weights = with_context(x, y, weights)
        if not kwargs.get("_use_cached_eval_dataset"):  # `fit` has looked at its validation data
            self._look_at(x, y)
        unknown = batches_in(x, batch_size, kwargs.get("steps")) is None
        kwargs["callbacks"] = self._with_progress(kwargs.get("callbacks"), kwargs)
        with (
            workers.lost_workers(self.distribute_strategy),
            keras_compat.data_may_end(expected=unknown),
        ):
            data = self.input_path.shared(x)
            data, y, weights, batch_size = self.input_path.arrays(
                data, y, weights, batch_size=batch_size, steps=kwargs.get("steps")
            )
            logs = super().evaluate(data, y, batch_size, sample_weight=weights, **kwargs)
        self.refuse_outside()
        return logs

    def predict(self, x, batch_size=None, *, context=None, **kwargs):
        """Gives what `predict_step` does, for all the data: `keras.Model.predict`.

        Args:
            x: As in `fit`.
            batch_size: Batch size, for arrays.
            context: The contexts beside an array.
            **kwargs: Further arguments of `keras.Model.predict`.

        Returns:
            A dict of arrays.
        """
        x = packed(x, self.modalities)
        x, context, _, batch_size = without_tables(x, context, None, batch_size, kwargs)
        if context is not None:
            x = tf.data.Dataset.from_tensor_slices((x, context)).batch(batch_size or 32)
            batch_size = None
        with workers.lost_workers(self.distribute_strategy):
            data, _, _, batch_size = self.input_path.arrays(
                self.input_path.shared(x), batch_size=batch_size, steps=kwargs.get("steps")
            )
            return super().predict(data, batch_size, **kwargs)

    def save(self, *args, **kwargs):
        """Saves the model, of several workers on the chief alone: `keras.Model.save`."""
        if workers.is_chief(self.distribute_strategy):
            super().save(*args, **kwargs)

    def save_weights(self, *args, **kwargs):
        """Saves the weights, of several workers on the chief alone: `keras.Model.save_weights`."""
        if workers.is_chief(self.distribute_strategy):
            super().save_weights(*args, **kwargs)

    def inputs_of(self, data) -> Inputs:
        """Takes a batch apart.

        Args:
            data: x, `(x,)`, `(x, y)` or `(x, y, sample_weight)`. y is the target of an objective
                that takes one, else the context.

        Returns:
            What `data.batches.unpack` gives, and the target.
        """
        x, y, weights = unpack(data, self.modalities)
        if self.objective.takes_target:
            return Inputs(x, None, weights, y)
        return Inputs(x, y, weights, None)

    def check(self, batch) -> None:
        """Builds the model on a batch and refuses data that the likelihood gives no density to.

        Args:
            batch: x, `(x, context)` or `(x, context, sample_weight)`.

        Raises:
            UserError: If the shape differs, a value is not finite, or one is outside the support.
        """
        x, context, *_ = self.inputs_of(batch)
        with self.distribute_strategy.scope():
            self._build_on(batch)
            likelihood = self(x[:1], context=None if context is None else context[:1]).likelihood
        check_data(x, likelihood)

    def _build_on(self, batch) -> None:
        """Makes the weights for the shapes of a batch, if there are none yet."""
        if not self.built:
            x, y, _ = unpack(batch, self.modalities)
            self.build((None, *x.shape[1:]), None if y is None else (None, *y.shape[1:]))

    @property
    def trainable_weights(self) -> list:
        """What the model's optimizer trains: not the weights that the objective trains itself."""
        own = {id(weight) for weight in self.objective.own_weights}
        return [weight for weight in super().trainable_weights if id(weight) not in own]

    @property
    def trainable_variables(self) -> list:
        """The same as `trainable_weights`: Keras takes now the one and now the other."""
        return self.trainable_weights

    @property
    def step(self) -> tf.Tensor:
        """Updates of the optimizer so far; 0 before the model is compiled. Schedules follow it."""
        if self.optimizer is None:
            return tf.constant(0)
        return tf.convert_to_tensor(self.optimizer.iterations)

    def train_step(self, data) -> dict:
        """One step of the optimizer on a batch, and one of the objective's own if it has any.

        A subclass may do more, around `super().train_step(data)`.

        Args:
            data: A batch, x, `(x, context)` or `(x, context, sample_weight)`.

        Returns:
            The logs.
        """
        self.steps_traced += 1
        Step(self).train(data)
        return self.get_metrics_result()

    def test_step(self, data) -> dict:
        """The same numbers as in training, with noise that is the same at each evaluation.

        Args:
            data: As in `train_step`.

        Returns:
            The logs.
        """
        self._build_on(data)  # only a first `test_on_batch` comes here before there are weights
        Step(self).test(data)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict:
        """The logs: the terms' means, and the present value of every scheduled number."""
        return {**super().get_metrics_result(), **self.objective.scheduled(self.step)}


def _ids(weights: list) -> list[int]:
    return [id(weight) for weight in weights]
