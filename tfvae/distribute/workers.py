"""What the processes of a cluster have to agree on, and what the chief does alone."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterable, Iterator, Sequence

import keras
import tensorflow as tf

from tfvae.data.batches import part_of
from tfvae.data.worker_shares import Share, share_of
from tfvae.errors import LostWorkerError

__all__ = [
    "callbacks_here",
    "from_chief",
    "is_chief",
    "lost_workers",
    "several_workers",
    "shared",
    "sums",
]

# How TensorFlow says that a collective operation has lost a peer.
LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
TASK = re.compile(r"/job:(chief|worker)/(?:replica:\d+/)?task:(\d+)")
# Callbacks that only write files: the training does not depend on them.
WRITERS = (
    keras.callbacks.CSVLogger,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.TensorBoard,
)


def several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether a strategy is one of several processes, in this process and others.

    Args:
        strategy: The strategy.
    """
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy: tf.distribute.Strategy | None = None) -> bool:
    """Whether this process is the one that writes files: of several workers, the chief alone.

    Args:
        strategy: The strategy; None: the one whose scope this is.

    Example:
        >>> callbacks = [keras.callbacks.CSVLogger("logs.csv")] if is_chief() else []
    """
    return (strategy or tf.distribute.get_strategy()).extended.should_checkpoint


def sums(strategy: tf.distribute.Strategy, numbers: Sequence[int]) -> list[int]:
    """Adds up numbers over all workers; waits until all ask for it.

    Args:
        strategy: The strategy.
        numbers: Whole numbers, as many on all workers.

    Returns:
        Their sums over the workers; the numbers themselves where there is one process.
    """
    if not several_workers(strategy):
        return list(numbers)
    here = len(strategy.extended.worker_devices)

    def of_replica(context) -> tf.Tensor:
        first = context.replica_id_in_sync_group % here == 0
        return tf.constant([n if first else 0 for n in numbers], tf.int64)

    values = strategy.experimental_distribute_values_from_function(of_replica)
    return [int(n) for n in _sum_of(strategy)(values)]


@functools.cache
def _sum_of(strategy: tf.distribute.Strategy):
    return tf.function(lambda values: strategy.reduce("SUM", values, axis=None))


def from_chief(strategy: tf.distribute.Strategy, numbers: Sequence[int] = (0,)) -> list[int]:
    """Gives all workers the numbers that the chief has; waits until all ask for them.

    Args:
        strategy: The strategy.
        numbers: Whole numbers, as many on all workers; those of the chief count.

    Returns:
        The chief's numbers.
    """
    return sums(strategy, numbers if is_chief(strategy) else [0] * len(numbers))


@contextlib.contextmanager
def lost_workers(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Turns the errors of collective operations into one that says that a worker is gone.

    TensorFlow's coordination service misses the heartbeat of a worker that died within some ten
    seconds, and ends the operations that wait for it.

    Args:
        strategy: The strategy.

    Raises:
        LostWorkerError: If another worker stopped while the block ran.
    """
    try:
        yield
    except LOST as error:
        if not several_workers(strategy):
            raise
        resolver = strategy.cluster_resolver
        own = (resolver.task_type, str(resolver.task_id))
        gone = {task for task in TASK.findall(str(error)) if task != own}
        who = " and ".join(" ".join(task) for task in sorted(gone)) or "another worker"
        raise LostWorkerError(
            f"{who} of the cluster stopped, and the others cannot go on: start all of them again; "
            "training goes on from the last checkpoint"
        ) from error


def shared(data, strategy: tf.distribute.Strategy):
    """Data whose batches all workers share out among them, so that they train on each once.

    Of data that know how, each worker reads its own share alone. Of others it reads all and takes
    its share: TensorFlow would share out files, and each worker have batches of its own.

    Args:
        data: A data set whose options say nothing of sharing; anything else is returned.
        strategy: The strategy.
    """
    if not isinstance(data, tf.data.Dataset):
        return data
    share = share_of(data)
    if share is not None and several_workers(strategy):
        return strategy.distribute_datasets_from_function(functools.partial(_of_worker, share))
    policies = tf.data.experimental.AutoShardPolicy
    if data.options().experimental_distribute.auto_shard_policy != policies.AUTO:
        return data
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = policies.DATA
    return data.with_options(options)


def _of_worker(share: Share, context: tf.distribute.InputContext) -> tf.data.Dataset:
    """A worker's share of each batch, a part for each of its replicas."""
    workers = context.num_input_pipelines
    data = share(context.input_pipeline_id, workers)
    replicas = context.num_replicas_in_sync // workers
    if replicas == 1:
        return data

    def parts(*batch) -> tf.data.Dataset:
        batch = batch if len(batch) > 1 else batch[0]
        return tf.data.Dataset.range(replicas).map(
            lambda replica: part_of(batch, replica, replicas)
        )

    return data.flat_map(parts).prefetch(replicas)


class _RestoreOnly(keras.callbacks.Callback):
    """The half of `BackupAndRestore` that a worker needs which writes nothing: restoring."""

    def __init__(self, backup: keras.callbacks.BackupAndRestore):
        super().__init__()
        self.backup = backup

    def on_train_begin(self, logs=None):
        """Restores as the chief does."""
        self.backup.set_model(self.model)
        self.backup.on_train_begin(logs)


def callbacks_here(
    strategy: tf.distribute.Strategy,
    callbacks: keras.callbacks.Callback | Iterable[keras.callbacks.Callback] | None,
) -> list[keras.callbacks.Callback] | keras.callbacks.CallbackList:
    """The callbacks of `fit` that run in this process: Keras's that write, on the chief alone.

    Args:
        strategy: The strategy.
        callbacks: As `fit` takes them.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks  # a ready list: its maker chose the callbacks for this process
    callbacks = keras.tree.flatten(callbacks or [])
    if is_chief(strategy):
        return callbacks
    return [
        _RestoreOnly(c) if isinstance(c, keras.callbacks.BackupAndRestore) else c
        for c in callbacks
        if not isinstance(c, WRITERS)
    ]
