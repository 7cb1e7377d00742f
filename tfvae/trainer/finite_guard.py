"""Steps that are not finite: left out inside the compiled function, and counted there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from tfvae.distribute import all_replicas_sum
from tfvae.distributions.keras_compat import batches_counter

__all__ = ["Guard"]


class Guard:
    """Applies an update where loss and gradients are finite, and counts the steps without one.

    All of it stays on the device: the state is one vector, which somebody reads now and then.
    Weights stay as they were before the first step that was not to be skipped, in all steps
    thereafter: it does not matter how late that is seen.

    Args:
        cap: How many steps may be skipped; 0: none.
    """

    def __init__(self, cap: int = 0):
        self.cap = int(cap)
        # Steps seen, steps skipped, the step at which one more was not allowed.
        self.state = tf.Variable(
            [0, 0, -1],
            trainable=False,
            dtype=tf.int64,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            name="guard",
        )

    def begin(self, skipped: int) -> None:
        """Resets the counts; so many steps count as skipped already."""
        self.state.assign([0, skipped, -1])

    @staticmethod
    def kept(model) -> list[tuple]:
        """The variables that a step changes beside the update, each with its value before it."""
        trained = {id(weight) for weight in model.trainable_weights}
        own = getattr(getattr(model.objective, "optimizer", None), "variables", ())
        found = (*model.variables, *own, *model.metrics_variables)
        others = [v for v in found if id(v) not in trained]
        return [(variable, tf.convert_to_tensor(variable)) for variable in others]

    @staticmethod
    def restore(finite: tf.Tensor, kept: Sequence[tuple]) -> None:
        """Gives the variables their values back if the step was not finite, on all replicas.

        Args:
            finite: Whether the step was, the same on all replicas.
            kept: What `kept` returned before the step.
        """
        now = [tf.where(finite, tf.convert_to_tensor(v), before) for v, before in kept]
        variables = [getattr(variable, "value", variable) for variable, _ in kept]
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            for variable, value in zip(variables, now, strict=True):
                variable.assign(value)
            return

        def across(strategy, now):
            # Each replica's own value: an assignment there would take the mean, which rounds.
            for variable, value in zip(variables, now, strict=True):
                strategy.extended.update(variable, lambda v, new: v.assign(new), args=(value,))

        context.merge_call(across, args=(now,))

    def apply(
        self, model, losses: Sequence[tf.Tensor], gradients: Sequence, update: Callable
    ) -> tf.Tensor:
        """Applies the update if loss and gradients are finite.

        Args:
            model: The model.
            losses: Scalars, not scaled.
            gradients: Tensors, `tf.IndexedSlices` and None.
            update: Takes the gradients and applies them.

        Returns:
            Whether the update was done, boolean scalar; the same on all replicas.
        """
        # A sum is finite where all its parts are: one pass over the memory, nothing stored.
        total = tf.add_n([tf.cast(loss, tf.float32) for loss in losses])
        sums = [
            tf.cast(tf.reduce_sum(getattr(gradient, "values", gradient)), tf.float32)
            for gradient in gradients
            if gradient is not None
        ]
        scale = getattr(model.optimizer, "dynamic_scale", None)
        spill = tf.add_n(sums) if sums else tf.constant(0.0)
        if scale is not None:
            # With a loss scale above 1 a gradient may overflow: Keras skips the step and lowers the
            # scale. It is a fault only once the scale cannot be lowered any more.
            spill = tf.where(tf.convert_to_tensor(scale) > 1.0, 0.0, spill)
        bad = tf.cast(~tf.math.is_finite(total + spill), tf.float32)
        finite = all_replicas_sum(bad) < 0.5
        seen, skipped, stopped = tf.unstack(tf.convert_to_tensor(self.state))
        running = stopped < 0
        skip = running & ~finite & (skipped < self.cap)
        stop = running & ~finite & (skipped >= self.cap)
        self.state.assign(
            tf.stack([seen + 1, skipped + tf.cast(skip, tf.int64), tf.where(stop, seen, stopped)])
        )
        done = finite & running
        counter = batches_counter(model.optimizer)
        if counter is model.optimizer.iterations:
            _where(done, skip, gradients, update, counter)
        else:
            # While gradients are accumulated a skipped batch adds nothing to them, and the update
            # that they lead to takes place.
            gradients = [
                None if g is None else tf.where(done, g, tf.zeros_like(g))
                for g in map(_dense, gradients)
            ]
            _where(done | skip, tf.constant(False), gradients, update, counter)
        return done


def _dense(gradient):
    return None if gradient is None else tf.convert_to_tensor(gradient)


def _where(done, skip, gradients, update, counter) -> None:
    """The update, or a step of the counter alone where the step is skipped."""

    def left_out():
        counter.assign_add(tf.cast(skip, counter.dtype))

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        tf.cond(done, lambda: _nothing(update(gradients)), lambda: _nothing(left_out()))
        return

    def across(strategy, done, gradients):
        # A branch that sums over replicas has to be one of all replicas together.
        def all_update():
            strategy.extended.call_for_each_replica(update, args=(gradients,))

        tf.cond(
            strategy.experimental_local_results(done)[0],
            lambda: _nothing(all_update()),
            lambda: _nothing(left_out()),
        )

    context.merge_call(across, args=(done, gradients))


def _nothing(_) -> tf.Tensor:
    return tf.constant(0)
