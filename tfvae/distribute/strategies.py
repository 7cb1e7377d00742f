"""Strategies of `tf.distribute` by name."""

from __future__ import annotations

import contextlib
import functools

import tensorflow as tf

from tfvae.distribute import cluster
from tfvae.distribute.agreement import difference, versions
from tfvae.distribute.meeting import meet
from tfvae.distributions.tf_compat import has_started
from tfvae.errors import UserError, unknown_name

__all__ = ["strategy"]

START_TIMEOUT = 600.0  # seconds: a scheduler may start workers minutes apart
STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker", "tpu")


def strategy(
    name: str = "auto", *, logical_devices: int | None = None, start_timeout: float = START_TIMEOUT
) -> tf.distribute.Strategy:
    """Makes the `tf.distribute` strategy of a name.

    Make it before anything else of TensorFlow runs: `"multi_worker"` and `logical_devices` set
    TensorFlow up for the whole process.

    Args:
        name: `"auto"`: all local GPUs, or the one device there is; `"one_device"`: the first GPU
            or the CPU; `"mirrored"`: all local GPUs, or all logical CPUs where there is no GPU;
            `"multi_worker"`: the workers of `TF_CONFIG` or of a SLURM job step, each with all its
            GPUs; `"tpu"`: the TPU of `TPU_NAME`, or of this machine.
        logical_devices: With `"mirrored"`: the CPU passes for so many devices, for trying on any
            machine what several GPUs do.
        start_timeout: With `"multi_worker"`: seconds to wait until all workers are there. They
            compare their versions before they start.

    Returns:
        The strategy; build and fit the model in its `scope()`.

    Raises:
        UserError: If the name is unknown, the devices are not there, TensorFlow has started, the
            port of a worker is taken, or the workers have different versions.
        LostWorkerError: If a worker does not come in time.

    Example:
        >>> with tfvae.distribute.strategy("mirrored").scope():
        ...     vae = tfvae.recipes.vae((8, 8, 1), 16)
        ...     vae.compile(keras.optimizers.Adam(1e-3))
        >>> history = vae.fit(train, epochs=20)
    """
    if name not in STRATEGIES:
        raise unknown_name("strategy", name, STRATEGIES)
    if logical_devices is not None:
        _split_processor(name, logical_devices)
    if name in ("multi_worker", "tpu"):
        return _remote(name, start_timeout)
    gpus = [f"GPU:{i}" for i in range(len(tf.config.list_logical_devices("GPU")))]
    cpus = [f"CPU:{i}" for i in range(len(tf.config.list_logical_devices("CPU")))]
    devices = gpus or cpus
    if logical_devices is not None:
        return _mirrored(tuple(cpus))
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        return _mirrored(tuple(devices))
    # TensorFlow's own default. `OneDeviceStrategy` sends each batch through a distributed iterator,
    # which is made anew in each epoch and at each validation.
    return tf.distribute.get_strategy()


def _split_processor(name: str, devices: int) -> None:
    """Splits the processor into several logical devices."""
    if name != "mirrored" or devices < 2:
        raise UserError(
            f"logical_devices={devices} with strategy {name!r}: it is for 'mirrored', from 2"
        )
    processor = tf.config.list_physical_devices("CPU")[0]
    configurations = [tf.config.LogicalDeviceConfiguration()] * devices
    if len(tf.config.get_logical_device_configuration(processor) or ()) != devices:
        with _at_start(f"logical_devices={devices}"):
            tf.config.set_logical_device_configuration(processor, configurations)


@contextlib.contextmanager
def _at_start(what: str):
    """Refuses settings that TensorFlow takes only before it starts."""
    try:
        yield
    except RuntimeError as error:
        raise UserError(
            f"{what} comes too late, TensorFlow has started: make the strategy before anything "
            "else of it runs"
        ) from error


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    # Only one per process: the collective operations of two on the same devices get mixed up.
    return tf.distribute.MirroredStrategy(devices)


_remotes: dict[str, tf.distribute.Strategy] = {}


def _remote(name: str, start_timeout: float) -> tf.distribute.Strategy:
    """Returns the one multi-worker strategy of the process, whatever the time limit."""
    if name not in _remotes:
        _remotes[name] = _tpu() if name == "tpu" else _multi_worker(start_timeout)
    return _remotes[name]


def _tpu() -> tf.distribute.Strategy:
    return tf.distribute.TPUStrategy(cluster.tpu_resolver())


def _multi_worker(start_timeout: float) -> tf.distribute.Strategy:
    if not 0 < start_timeout < float("inf"):
        raise UserError(f"start_timeout={start_timeout}: give a number of seconds above 0")
    resolver = cluster.worker_resolver()
    with _at_start("strategy 'multi_worker'"):
        if has_started():  # before waiting for the others
            raise RuntimeError
        names = cluster.task_names(resolver)
        own = f"{resolver.task_type} {resolver.task_id}"
        said = meet(cluster.addresses(resolver), own, versions(), limit=start_timeout)
        if (found := difference(said, names)) is not None:
            raise UserError(found)
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)
