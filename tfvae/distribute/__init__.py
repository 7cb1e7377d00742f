"""tf.distribute: strategies by name, noise that differs by replica, several workers."""

from tfvae.distribute.replicas import all_replicas_sum, batch_mean, global_batch
from tfvae.distribute.seeds import as_seed, fold_in, replica_seed
from tfvae.distribute.strategies import strategy
from tfvae.distribute.workers import is_chief
from tfvae.lazy import public

__all__ = [
    "all_replicas_sum",
    "as_seed",
    "batch_mean",
    "fold_in",
    "global_batch",
    "is_chief",
    "replica_seed",
    "strategy",
]
__dir__ = public(__all__)
