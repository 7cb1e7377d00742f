"""Which processes make up a cluster: from TF_CONFIG, from SLURM's variables, or of a TPU."""

from __future__ import annotations

import json
import os

import tensorflow as tf

from tfvae.errors import UserError

__all__ = ["addresses", "task_names", "tpu_resolver", "worker_resolver"]

HOW = "docs/distributed.md shows how TF_CONFIG is set"
# The port follows the job's number, so that two jobs on one machine use different ones.
FIRST_PORT, PORTS, PORTS_OF_A_JOB = 15000, 16000, 16


def worker_resolver() -> tf.distribute.cluster_resolver.ClusterResolver:
    """Finds the workers, and which of them this process is.

    `TF_CONFIG` is what counts where it is set; else the variables of a SLURM job step, which
    `tf.distribute.cluster_resolver.SlurmClusterResolver` resolves.

    Returns:
        A resolver with the tasks `worker`, and `chief` if `TF_CONFIG` has one.

    Raises:
        UserError: If neither is set, or what is set is no cluster of workers.
    """
    if os.environ.get("TF_CONFIG", "").strip():
        cluster, kind, index = _from_tf_config(os.environ["TF_CONFIG"])
    elif "SLURM_JOB_ID" in os.environ:
        cluster, kind, index = _from_slurm()
    else:
        raise UserError(
            "strategy 'multi_worker' finds no cluster: set TF_CONFIG, or start the command with "
            f"srun; {HOW}"
        )
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(cluster),
        task_type=kind,
        task_id=index,
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
        rpc_layer="grpc",
    )


def addresses(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> dict[str, str]:
    """The `host:port` of each task that trains, by its name such as `"worker 1"`, the chief first.

    Args:
        resolver: As `worker_resolver` gives it.
    """
    spec = resolver.cluster_spec()
    return {
        f"{kind} {task}": spec.task_address(kind, task)
        for kind in ("chief", "worker")
        if kind in spec.jobs
        for task in spec.task_indices(kind)
    }


def task_names(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> list[str]:
    """What the tasks that train are called, the chief first."""
    return list(addresses(resolver))


def _from_tf_config(text: str) -> tuple[dict[str, list[str]], str, int]:
    """The cluster, and the type and the index of this process's task."""
    try:
        config = json.loads(text)
        # "master" is an old name of the chief.
        cluster = {
            "chief" if kind == "master" else kind: list(hosts)
            for kind, hosts in config["cluster"].items()
        }
        kind, index = config["task"]["type"], int(config["task"]["index"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"TF_CONFIG={text!r} cannot be read ({type(error).__name__}: {error}): give JSON with "
            f"cluster and task; {HOW}"
        ) from error
    kind = "chief" if kind == "master" else kind
    for other in sorted({*cluster, kind} - {"chief", "worker"}):
        raise UserError(
            f"TF_CONFIG has a task {other!r}, which has no part in strategy 'multi_worker' (all "
            "workers train, and the chief evaluates): leave it out of the cluster, and start no "
            "process for it"
        )
    if not 0 <= index < len(cluster.get(kind, ())):
        raise UserError(
            f"TF_CONFIG: the task is {kind} {index}, and the cluster has "
            + " and ".join(f"{len(hosts)} {k}(s)" for k, hosts in sorted(cluster.items()))
            + f": {HOW}"
        )
    hosts = [host for kind in cluster for host in cluster[kind]]
    if len({*hosts}) < len(hosts) or len(cluster.get("chief", ())) > 1:
        raise UserError(
            f"TF_CONFIG: the cluster {cluster} has an address twice or several chiefs: give each "
            f"task an address of its own, and one chief or none; {HOW}"
        )
    return cluster, kind, index


def _from_slurm() -> tuple[dict[str, list[str]], str, int]:
    """The same from the variables of a SLURM job step."""
    try:
        tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])
        job = int(os.environ["SLURM_JOB_ID"])
        # SLURM itself says which GPUs a task sees; without any, tf's resolver divides by zero.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=FIRST_PORT + job * PORTS_OF_A_JOB % PORTS,
            gpus_per_node=tasks,
            gpus_per_task=1,
            auto_set_gpu=False,
        )
        cluster = resolver.cluster_spec().as_dict()
    except (RuntimeError, ValueError, KeyError) as error:
        raise UserError(
            f"cannot make out the cluster from SLURM's variables ({error}): start the command with "
            "srun inside the job; docs/distributed.md has a file for sbatch"
        ) from error
    kind, index = resolver.get_task_info()
    return cluster, kind, index


def tpu_resolver() -> tf.distribute.cluster_resolver.TPUClusterResolver:
    """Connects to the TPU that `TPU_NAME` names, or to the one of this machine, and starts it.

    Returns:
        Its resolver.

    Raises:
        UserError: If there is none.
    """
    name = os.environ.get("TPU_NAME", "local")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(name)
        if name != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, OSError, RuntimeError, tf.errors.OpError) as error:
        reason = str(error).partition("\n")[0][:100]
        raise UserError(
            f"strategy 'tpu' finds no TPU under the name {name!r} ({reason}): set TPU_NAME, or "
            "take another --strategy"
        ) from error
    return resolver
