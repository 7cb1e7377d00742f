"""How the cores are shared out: all to each operation, or among the branches of a step."""

from __future__ import annotations

import contextlib
import os

import tensorflow as tf
from ml_collections import ConfigDict

from tfvae.trainer.branches import why_whole
from tfvae.vae import VAE

__all__ = ["branches_of", "share_cores", "wanted_branches"]

BRANCHES = 2
# Network -> recipes for which a batch in two branches was measured to be faster, with
# benchmarks/branches.py: not those with work that each branch does anew, as with pseudo-inputs.
SAMPLES = ("vae", "beta_vae", "dreg", "iwae", "miwae")
PAYS = {
    "mlp": (*SAMPLES, "conditional_vae", "iaf_vae", "ladder_vae", "nvp_vae", "two_layer_vae"),
    "conv": SAMPLES,
}
# Those that look at one example at a time.
OBJECTIVES = (None, "ciwae", "elbo", "iwae", "miwae", "piwae", "renyi")
OF_THE_USER = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def _cores() -> int:
    """The cores that branches can share: one where a GPU computes."""
    if tf.config.list_physical_devices("GPU"):
        return 1
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def wanted_branches(config: ConfigDict, strategy: str = "auto", replicas: int | None = None) -> int:
    """How many parts of a step should run side by side.

    Args:
        config: The configuration of a run.
        strategy: Name of its strategy.
        replicas: Logical devices that the processor passes for; None: it is one.

    Returns:
        The number; 1 where the operations should have all the cores.
    """
    if strategy in ("multi_worker", "tpu"):
        return 1
    if replicas or config.branches is not None:
        return replicas or config.branches
    whole = config.free_bits is not None or config.capacity is not None or config.xla
    whole = whole or config.objective not in OBJECTIVES or config.prior == "vamp_prior"
    pays = config.recipe in PAYS.get(config.network, ())
    return BRANCHES if pays and not whole and strategy in ("auto", "one_device") else 1


def share_cores(branches: int) -> None:
    """Gives each of several branches its share of the cores: small layers cannot use them all.

    For a command, before TensorFlow starts; threads are a matter of the process. Where it has
    started, or the user has set TF_NUM_INTRAOP_THREADS or TF_NUM_INTEROP_THREADS, they stay.

    Args:
        branches: How many run side by side; 1: nothing is set.
    """
    cores = _cores()
    if branches < 2 or cores < branches or any(name in os.environ for name in OF_THE_USER):
        return
    with contextlib.suppress(RuntimeError):  # too late: the run is slower, and nothing else
        tf.config.threading.set_intra_op_parallelism_threads(cores // branches)
        tf.config.threading.set_inter_op_parallelism_threads(branches)


def branches_of(config: ConfigDict, vae: VAE) -> int:
    """How many branches a model is compiled with.

    Args:
        config: The configuration of the run.
        vae: The model, built.

    Returns:
        `config.branches`; where that is None, 2 if the cores were shared out for them.
    """
    if config.branches is not None:
        return config.branches
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    if not threads or _cores() // threads < BRANCHES or wanted_branches(config) < BRANCHES:
        return 1
    return 1 if why_whole(vae) else BRANCHES
