"""tf.distribute: strategies by name, noise that differs by replica, means over all replicas."""

from __future__ import annotations

import functools

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.errors import UserError, unknown_name

__all__ = [
    "ReplicatedModel",
    "all_replicas_sum",
    "as_seed",
    "batch_mean",
    "fold_in",
    "global_batch",
    "replica_seed",
    "strategy",
]

STRATEGIES = ("auto", "one_device", "mirrored")
LATER = ("multi_worker", "tpu")


def strategy(name: str = "auto") -> tf.distribute.Strategy:
    """Makes the `tf.distribute` strategy of a name.

    Args:
        name: `"auto"`: all local GPUs, or the one device there is; `"one_device"`: the first GPU
            or the CPU; `"mirrored"`: all local GPUs, or all logical CPUs where there is no GPU.

    Returns:
        The strategy; build and fit the model in its `scope()`.

    Raises:
        UserError: If the name is unknown or not available in this release.
    """
    if name in LATER:
        raise UserError(
            f"strategy {name!r} is not available in this release: use one of "
            f"{', '.join(STRATEGIES)}"
        )
    if name not in STRATEGIES:
        raise unknown_name("strategy", name, STRATEGIES)
    gpus = [f"GPU:{i}" for i in range(len(tf.config.list_logical_devices("GPU")))]
    cpus = [f"CPU:{i}" for i in range(len(tf.config.list_logical_devices("CPU")))]
    devices = gpus or cpus
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        return _mirrored(tuple(devices))
    return tf.distribute.OneDeviceStrategy(devices[0])


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    # Two of them on the same devices take each other's collective operations for their own.
    return tf.distribute.MirroredStrategy(devices)


def as_seed(seed: int | tf.Tensor | None) -> tf.Tensor:
    """Makes a stateless seed.

    Args:
        seed: An integer; a stateless seed, which is returned; or None for a fresh one.

    Returns:
        int32 tensor of shape `[2]`.
    """
    if seed is None:
        return tfp.random.sanitize_seed(None)
    if isinstance(seed, (int, np.integer)):
        # The low 31 bits, and the high ones, which keep large seeds apart.
        return tf.constant([(int(seed) >> 31) & 0x7FFFFFFF, int(seed) & 0x7FFFFFFF], tf.int32)
    seed = tf.cast(tf.convert_to_tensor(seed), tf.int32)
    return tf.stack([0, seed]) if seed.shape.rank == 0 else seed


def fold_in(seed: tf.Tensor, number) -> tf.Tensor:
    """Makes a new stateless seed of a seed and a number.

    Args:
        seed: int32 tensor of shape `[2]`.
        number: An integer, such as a step or a position.

    Returns:
        int32 tensor of shape `[2]`.
    """
    return tf.random.fold_in(seed, tf.cast(number, tf.int32))


def replica_seed(seed: int, step: tf.Tensor) -> tf.Tensor:
    """The noise seed of a training step: a function of (seed, step, replica) and of no state.

    Keras and tfp give every replica the same noise; a run that is repeated or resumed has to see
    the same noise again.

    Args:
        seed: The run's seed.
        step: Steps taken so far.

    Returns:
        int32 tensor of shape `[2]`.
    """
    seed = fold_in(as_seed(seed), step)
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return seed
    return fold_in(seed, context.replica_id_in_sync_group)


def all_replicas_sum(value: tf.Tensor) -> tf.Tensor:
    """The sum of a tensor over all replicas; the tensor itself outside a replica context."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def global_batch(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The batch of all replicas in the order of their numbers; gradients flow through it.

    Args:
        values: This replica's part, `[batch, ...]`; the parts may differ in length.

    Returns:
        The whole, `[global batch, ...]`, and where in it this replica's part begins.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values, tf.constant(0)
    counts = context.all_gather(tf.shape(values)[:1], axis=0)
    start = tf.reduce_sum(counts[: context.replica_id_in_sync_group])
    whole = context.all_gather(values, axis=0)  # forgets the shape of an example
    return tf.ensure_shape(whole, [None, *values.shape[1:]]), start


def batch_mean(values: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """This replica's share of the mean over the global batch.

    Keras sums gradients over replicas, so the replicas' losses have to sum to the mean. The
    division is by the number of examples on all replicas: it holds for a last batch that the
    replicas share unevenly.

    Args:
        values: One number per example, `[batch]`.
        weights: Sample weights, `[batch]`. As in Keras, they weigh the examples and the division
            stays by the number of examples.

    Returns:
        A scalar.
    """
    count = tf.cast(tf.size(values), values.dtype)
    if weights is not None:
        values = values * tf.cast(weights, values.dtype)
    return tf.reduce_sum(values) / tf.maximum(all_replicas_sum(count), 1.0)


class ReplicatedModel(keras.Model):
    """A Keras model that trains on several replicas where Keras 3.15 fails; tests say when it does.

    Keras averages the first batch over the replicas to build the model from it, and fails where
    their shares differ (a batch of 100 on three GPUs). A model that is built before it is trained
    needs none of that but its optimizer's variables.

    The loop of `steps_per_execution` fails on more than one replica: there it is one step.
    """

    @property
    def steps_per_execution(self) -> int:
        """Steps in one call of the compiled function; 1 on more than one replica."""
        replicas = self.distribute_strategy.num_replicas_in_sync
        return self._steps_per_execution if replicas == 1 else 1

    @steps_per_execution.setter
    def steps_per_execution(self, steps: int) -> None:
        self._steps_per_execution = steps

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if not self.built:
            super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)
        elif self.optimizer is not None and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
