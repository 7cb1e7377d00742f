"""The limit: the matrix products of the workload's forward and backward pass, and nothing else.

A layer of `in` and `out` numbers on `rows` rows takes a product of [rows, in] and [in, out]
forward, and two of the same size backward, one for its kernel and one for its input (the first
layer needs none for its input; log p(x) goes forward only). A convolution counts as the product
that it is made of. Rows beyond 4096 are taken in blocks that stay in the cache. The products of a
step do not wait for each other here, so that all cores are busy: one thread each.
"""

from __future__ import annotations

import os

from benchmarks.networks import decoder, encoder
from benchmarks.turns import Turns

BLOCK = 4096


def sizes(turns: Turns, image: tuple[int, int, int]) -> tuple[list[tuple[int, int, int]], int]:
    """The products of a step as (rows, inner, columns), and how many steps there are."""
    workload = turns.workload
    forward = decoder(workload.network, image)
    if workload.kind == "log_prob":  # a step is an image
        found = [(workload.samples, kernel.rows, kernel.shape[-1]) for kernel in forward]
        return _in_blocks(found), workload.batch
    found = []
    draws = workload.batch * (workload.samples or 1)
    for rows, kernels in [(workload.batch, encoder(workload.network, image)), (draws, forward)]:
        for kernel in kernels:
            m, k, n = rows * kernel.positions, kernel.rows, kernel.shape[-1]
            first = kernels is not forward and kernel is kernels[0]
            found += [(m, k, n), (k, m, n)] + ([] if first else [(m, n, k)])
    return _in_blocks(found), workload.steps


def _in_blocks(products: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    found = []
    for m, k, n in products:
        blocks = -(-max(m, k) // BLOCK)
        part = (-(-m // blocks), k, n) if m > k else (m, -(-k // blocks), n)
        found += [part] * blocks
    return found


def main() -> None:
    """Takes the turns."""
    turns = Turns()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(len(os.sched_getaffinity(0)))
    products, steps = sizes(turns, turns.images().shape[1:])
    # Variables: products of constants would be taken once.
    pool = {}
    for m, k, n in products:
        for shape in [(m, k), (k, n)]:
            pool.setdefault(shape, tf.Variable(tf.random.normal(shape)))

    @tf.function
    def run():
        total = 0.0
        for _ in tf.range(steps):
            # One number of each, or they would not be computed.
            total += tf.add_n([(pool[m, k] @ pool[k, n])[0, 0] for m, k, n in products])
        return total

    turns.ready(["tensorflow"])
    turns.take(lambda: (run(), float("nan"))[1])


if __name__ == "__main__":
    main()
