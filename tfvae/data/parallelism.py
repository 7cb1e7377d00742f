"""How many threads and waiting batches a pipeline has: fixed numbers, not tuned ones.

tf.data tunes such numbers in a thread of its own, which sleeps between its looks. Dropping an
iterator joins that thread, and its wake-up is sometimes lost: the program then stands still at the
end of an epoch until the thread wakes by itself, after 2.6, 5.1 or 10.2 seconds.
"""

from __future__ import annotations

import os

import tensorflow as tf

__all__ = ["PREFETCHED", "threads", "without_tuning"]

PREFETCHED = 2  # batches that wait for the step: one would do, were all steps equally long
MOST_THREADS = 16  # each holds a batch, which of large images is 100 MB


def threads(most: int = MOST_THREADS) -> int:
    """How many elements are made side by side: as many as there are cores for this process."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(cores, most, MOST_THREADS))


def without_tuning(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The same data set, and all that is made from it, without the thread that tunes it.

    Args:
        dataset: A data set whose parts have their numbers: `AUTOTUNE` would stay at its first
            guess.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
