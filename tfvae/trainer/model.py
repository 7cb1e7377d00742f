"""A Keras model that is trained on an objective: `fit`, its checks, and the steps."""

from __future__ import annotations

import weakref

import keras
import tensorflow as tf

from tfvae.data.batches import first_batch, unpack, with_context
from tfvae.data.counting import number_of_examples
from tfvae.data.rows import MadeOfRows, Rows, rows_of
from tfvae.distribute import as_seed, batch_mean, fold_in, replica_seed
from tfvae.distributions.supports import check_data
from tfvae.distributions.types import VAEOutput
from tfvae.errors import UserError, readable_errors
from tfvae.metrics import TermMeans
from tfvae.networks.conditional import build_by_call
from tfvae.objectives import Objective
from tfvae.trainer.adam import Adam
from tfvae.trainer.assigned_numbers import with_assigned_numbers
from tfvae.trainer.branches import check_branches, parts_of
from tfvae.trainer.finite_guard import Guard
from tfvae.trainer.monitors import give_directions
from tfvae.trainer.progress import ProgressBar
from tfvae.trainer.replicated import ReplicatedModel
from tfvae.trainer.steps_per_call import batches_in, steps_per_call

__all__ = ["ObjectiveModel"]


class ObjectiveModel(ReplicatedModel):
    """Base of `VAE`: everything of it that does not know of encoder, decoder and prior.

    A subclass defines `call(x, context, samples, training, seed)` -> `VAEOutput`.

    Args:
        objective: What is minimised.
        seed: Seed of the noise in training and evaluation.
        **kwargs: Arguments of `keras.Model`.
    """

    def __init__(self, objective: Objective, *, seed: int = 0, **kwargs):
        # Data are compared with probabilities in float32 whatever the policy: no autocast.
        super().__init__(autocast=False, **kwargs)
        if not isinstance(objective, Objective):
            raise UserError(f"objective takes an object of another kind, got {objective!r}")
        self.objective = objective
        self.seed = int(seed)
        self._auto_pace, self.branches = False, 1  # until compile says otherwise
        self.guard: Guard | None = None  # set by a callback: what to do with a step that is NaN
        self._made: MadeOfRows | None = None  # set by fit: how a step makes a batch of rows
        self._looked_at: weakref.WeakSet[tf.data.Dataset] = weakref.WeakSet()  # by fit
        self.terms = TermMeans()

    def build(self, x_shape, context_shape=None):
        """Makes all weights for data `[batch, *event]` and a context `[batch, ...]`."""

        def run(x, context):
            output = self.call(x, context, samples=self.objective.samples)
            terms = self.objective(x, output).terms
            own = self.objective.own_terms(x, output, seed=as_seed(0))
            if self.terms.names is None:
                self.terms.build(["loss", *terms, *own])

        build_by_call(run, x_shape, context_shape)
        if not self.objective.built:
            self.objective.build(tuple(x_shape))

    def build_from_config(self, config: dict | None) -> None:
        """Builds with the shapes of a saved model; where it fails, with the reason."""
        if config:  # Keras's own goes on without weights, with a warning
            shapes = config.get("shapes_dict") or {"x_shape": config["input_shape"]}
            self.build(**shapes)

    def compile(
        self,
        optimizer="adam",
        *,
        steps_per_execution: int | str = "auto",
        branches: int = 1,
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
            **kwargs: Further arguments of `keras.Model.compile`.
        """
        if branches != int(branches) or branches < 1:
            raise UserError(f"branches takes an integer from 1, got {branches!r}")
        self.branches = int(branches)
        self._auto_pace = steps_per_execution == "auto"
        steps = 1 if self._auto_pace else steps_per_execution
        optimizer = Adam() if optimizer == "adam" else optimizer
        super().compile(optimizer, steps_per_execution=steps, **kwargs)

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

    def _set_pace(self, steps: int) -> None:
        """Sets the steps in one call; what was compiled for another number is dropped."""
        if steps != self.steps_per_execution:
            self.steps_per_execution = steps
            self.train_function = self.test_function = self.predict_function = None

    def make_train_function(self, force: bool = False):
        """Makes the function that takes the training steps of one call; refuses wrong branches."""
        check_branches(self, self.branches)  # here: `train_on_batch` and a generator pass by too
        return self._made_function("train_function", super().make_train_function, force)

    def make_test_function(self, force: bool = False):
        """Makes the function that takes the evaluation steps of one call."""
        return self._made_function("test_function", super().make_test_function, force)

    def _made_function(self, name: str, make, force: bool):
        """A function of `fit` or `evaluate` that follows what is assigned to the objective."""
        if not force and getattr(self, name) is not None:
            return getattr(self, name)

        def made():
            make(force=True)
            inner = getattr(self, name)
            setattr(self, name, function)
            return inner

        function = with_assigned_numbers(self.objective, made)
        setattr(self, name, function)
        return function

    @readable_errors()
    def fit(self, x=None, y=None, batch_size=None, epochs=1, **kwargs):
        """Trains the model: `keras.Model.fit`, after a look at the first batch.

        Args:
            x: A `tf.data.Dataset` of x, `(x, context)` or `(x, context, sample_weight)`, or an
                array of x.
            y: The contexts beside an array.
            batch_size: Batch size, for arrays.
            epochs: Number of epochs.
            **kwargs: Further arguments of `keras.Model.fit`. Callbacks that monitor `elbo`,
                `distortion`, `bits_per_dim` or an importance-weighted bound, with or without
                `val_`, know which way it gets better; for another term give them `mode`.

        Returns:
            `keras.callbacks.History`, with `loss`, `elbo`, `distortion`, `rate` (nats) and more.

        Raises:
            UserError: If the data set is empty, the likelihood gives its values no density, or
                `compile` was given a loss or metrics.
        """
        compiled = self.get_compile_config() or {}
        for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
            if compiled.get(name):
                raise UserError(
                    f"compile({name}=...) would have no effect: the loss is the model's objective "
                    "and its terms are the metrics, give VAE(objective=...)"
                )
        y, weights = with_context(x, y, kwargs.pop("sample_weight", None))
        validation = kwargs.pop("validation_data", None)
        if isinstance(validation, (tuple, list)) and len(validation) == 3:
            validation = (validation[0], *with_context(*validation))
        self._look_at(x, y)
        if self.objective.needs_examples:
            held_out = kwargs.get("validation_split") or 0.0
            self.objective.counted_examples = number_of_examples(x, validation_split=held_out)
        held_out = validation if isinstance(validation, (tuple, list)) else (validation,)
        self._look_at(*held_out)
        if not hasattr(x, "shape") and not isinstance(x, keras.utils.PyDataset):
            kwargs.setdefault("shuffle", False)  # Keras cannot and would warn
        callbacks = kwargs.pop("callbacks", None)
        give_directions(callbacks, self.objective)
        if self._auto_pace:
            batches = batches_in(x, batch_size, kwargs.get("steps_per_epoch"))
            self._set_pace(steps_per_call(batches, callbacks))
        if not isinstance(callbacks, keras.callbacks.CallbackList) and kwargs.get("verbose", 1):
            callbacks = [*keras.tree.flatten(callbacks or []), ProgressBar()]
        return super().fit(
            x if kwargs.get("class_weight") else self._rows(x),
            y,
            batch_size,
            epochs,
            sample_weight=weights,
            validation_data=validation,
            callbacks=callbacks,
            **kwargs,
        )

    def _logs_are_metrics(self, name: str) -> bool:
        return getattr(type(self), name) is getattr(ObjectiveModel, name)

    def _batch_of(self, data):
        """The batch of an element of the data: those of `_rows` are made here."""
        return self._made.batch(data) if isinstance(data, Rows) else data

    def _look_at(self, x, *beside) -> None:
        """Checks the first batch of data, once where they are a data set."""
        if isinstance(x, tf.data.Dataset) and x in self._looked_at:
            return
        batch = first_batch(x, *beside)
        if batch is None:
            return
        self.check(batch)
        if isinstance(x, tf.data.Dataset):
            self._looked_at.add(x)

    def _rows(self, x):
        """What the step makes its batches of: rows where it can, which costs the data pipeline."""
        made = rows_of(x)
        here = self._takes_whole("train_step") or (
            self._logs_are_metrics("train_step")
            and self.distribute_strategy.num_replicas_in_sync == 1
            and not self.jit_compile
            and not tf.config.list_physical_devices("GPU")
        )
        if made is None or not here:
            return x
        if made is not self._made:
            self._made, self.train_function = made, None
        return made.rows

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
        y, weights = with_context(x, y, kwargs.pop("sample_weight", None))
        batch = None if self.built else first_batch(x, y)
        if batch is not None:
            self.check(batch)
        return super().evaluate(x, y, batch_size, sample_weight=weights, **kwargs)

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
        if context is not None:
            x = tf.data.Dataset.from_tensor_slices((x, context)).batch(batch_size or 32)
            batch_size = None
        return super().predict(x, batch_size, **kwargs)

    def check(self, batch) -> None:
        """Builds the model on a batch and refuses data that the likelihood gives no density to.

        Args:
            batch: x, `(x, context)` or `(x, context, sample_weight)`.

        Raises:
            UserError: If the shape differs, a value is not finite, or one is outside the support.
        """
        x, context, _ = unpack(batch)
        with self.distribute_strategy.scope():
            if not self.built:
                # Through __call__, which notes the shapes that a saved model is built from.
                self(x[:1], context=None if context is None else context[:1])
            likelihood = self(x[:1], context=None if context is None else context[:1]).likelihood
        check_data(x, likelihood)

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
        """Training steps taken so far; 0 before the model is compiled."""
        if self.optimizer is None:
            return tf.constant(0)
        return tf.convert_to_tensor(self.optimizer.iterations)

    def _batch_loss(self, data, seed, training: bool) -> tuple[tf.Tensor, tf.Tensor, VAEOutput]:
        """This replica's share of the loss of a batch; the terms are added to the metrics."""
        x, context, weights = unpack(data)
        output = self(
            x, context=context, samples=self.objective.samples, training=training, seed=seed
        )
        # Right behind the call: what comes next may change replicas, and all share one list.
        added = list(self.losses)
        loss, terms = self.objective(x, output, step=self.step, weights=weights)
        penalties = [latent.penalty for latent in output.latents if latent.penalty is not None]
        loss = tf.add_n([loss, *penalties])
        share = batch_mean(loss, weights)
        count = tf.cast(tf.size(loss), loss.dtype)
        totals, counts = _sums({"loss": loss, **terms}, weights)
        if added:  # of regularizers and add_loss
            added = tf.cast(tf.add_n(added), loss.dtype)
            share += added / self.distribute_strategy.num_replicas_in_sync
            totals["loss"] += added * count
        self.terms.update_state(totals, {**counts, "loss": count})
        return share, x, output

    def _second_seed(self) -> tf.Tensor:
        """Of the objective's second loss: what looks across the global batch looks alike on all."""
        return fold_in(fold_in(as_seed(self.seed), self.step), 1)

    def _add_own(self, terms: dict, data) -> None:
        """Adds the terms of the objective's second loss on a batch to the metrics."""
        if terms:
            self.terms.update_state(*_sums(terms, unpack(data)[2]))

    def parts_of_step(self, data) -> list[tuple]:
        """What the next training step computes side by side, and with which noise.

        Args:
            data: A batch; on several replicas, this replica's part.

        Returns:
            For each part: its data, its share of the examples and its stateless seed.
        """
        seed = replica_seed(self.seed, self.step)
        branches = self.branches if self.distribute_strategy.num_replicas_in_sync == 1 else 1
        return [
            (part, share, fold_in(seed, i) if i else seed)
            for i, (part, share) in enumerate(parts_of(data, branches))
        ]

    def train_step(self, data) -> dict:
        """One step of the optimizer on a batch, and one of the objective's own if it has any."""
        data = self._batch_of(data)
        step, second_seed = self.step, self._second_seed()
        losses, gradients = [], []
        kept = self.guard.kept(self) if self.guard is not None else ()
        parts = self.parts_of_step(data)
        for part, share, seed in parts:
            with tf.GradientTape() as tape:
                loss, x, output = self._batch_loss(part, seed, training=True)
                losses.append(loss)
                loss = self.optimizer.scale_loss(loss if len(parts) == 1 else share * loss)
            weights = self.trainable_weights  # `train_on_batch` alone comes here without any
            gradients.append(tape.gradient(loss, weights))
        gradients = _added(gradients)

        def update(gradients):
            self.optimizer.apply_gradients(zip(gradients, weights, strict=True))

        if self.guard is None:
            update(gradients)
        else:
            done = self.guard.apply(self, losses, gradients, update)
        own = self.objective.update(x, output, step=step, seed=second_seed, weights=unpack(data)[2])
        self._add_own(own, data)
        if kept:
            self.guard.restore(done, kept)
        return self.get_metrics_result()

    def test_step(self, data) -> dict:
        """The same numbers as in training, with noise that is the same at each evaluation."""
        if not self.built:  # `test_on_batch` alone comes here without weights
            x, context, _ = unpack(data)
            self.build(x.shape, None if context is None else context.shape)
        seen = tf.convert_to_tensor(self.terms.counts)[0]
        seed = fold_in(replica_seed(self.seed, self.step), seen)
        _, x, output = self._batch_loss(data, seed, training=False)
        own = self.objective.own_terms(x, output, seed=self._second_seed(), weights=unpack(data)[2])
        self._add_own(own, data)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict:
        """The logs: the terms' means, and the present value of every scheduled number."""
        return {**super().get_metrics_result(), **self.objective.scheduled(self.step)}


def _sums(terms: dict, weights) -> tuple[dict, dict]:
    """The weighted sum of each term over the batch, and the sum of the weights, by name."""
    first = next(iter(terms.values()))
    weights = tf.ones_like(first) if weights is None else tf.cast(weights, first.dtype)
    totals = {name: tf.reduce_sum(term * weights) for name, term in terms.items()}
    return totals, dict.fromkeys(terms, tf.reduce_sum(weights))


def _added(gradients: list[list]) -> list:
    """The sums of several gradients; None where a weight has none."""
    if len(gradients) == 1:
        return gradients[0]
    return [
        None if parts[0] is None else tf.add_n([tf.convert_to_tensor(part) for part in parts])
        for parts in zip(*gradients, strict=True)
    ]
