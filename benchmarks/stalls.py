"""Whether `fit` stands still at the end of an epoch: rounds of one, held against their median.

    python -m benchmarks.stalls [--rounds=100] [--steps=40] [--tuned]

Dropping tf.data's iterator joins the thread that tunes the pipeline, whose wake-up is sometimes
lost: the round then lasts until 2.6, 5.1 or 10.2 seconds. `fit` turns the tuning off; `--tuned`
asks for it, to see the difference. Run it on a quiet machine: other work makes rounds long as well.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time


def main() -> int:
    """Takes the rounds and says which lasted more than twice the median; 1 if any did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--steps", type=int, default=40, help="batches in a round")
    parser.add_argument("--tuned", action="store_true", help="with tf.data's tuning")
    given = parser.parse_args()

    import numpy as np
    import tensorflow as tf

    import tfvae

    vae = tfvae.recipes.vae((28, 28, 1), 16, network="resnet", hidden=(64,))
    vae.compile("adam")
    images = np.random.default_rng(0).integers(0, 256, (32 * given.steps, 28, 28, 1), np.uint8)
    data = tf.data.Dataset.from_tensor_slices(images).shuffle(1000).batch(32)
    data = data.map(lambda x: tf.cast(x > 127, tf.float32), tf.data.AUTOTUNE).prefetch(-1)
    if given.tuned:
        options = tf.data.Options()
        options.autotune.enabled = True
        data = data.with_options(options)
    vae.fit(data, epochs=1, verbose=0)
    seconds = []
    for _ in range(given.rounds):
        start = time.perf_counter()
        vae.fit(data, epochs=1, verbose=0)
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    long = sorted((s for s in seconds if s > 2 * median), reverse=True)
    print(
        f"{given.rounds} rounds, median {median:.2f} s, longest {max(seconds):.2f} s, "
        f"{len(long)} more than twice the median: {', '.join(f'{s:.2f}' for s in long) or 'none'}"
    )
    return int(bool(long))


if __name__ == "__main__":
    sys.exit(main())
