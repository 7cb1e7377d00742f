"""From `import` to the end of the first training step, against a loop by hand: whole processes.

    python -m benchmarks.startup [--rounds=9]

Three programs take their turns: a VAE on the digits with `fit` and the package's own optimizer; the
same by raw formulas in a `tf.function` on TensorFlow and Keras; and that loop with TensorFlow
Probability imported, which the package cannot do without. The figures are medians of what each
process took and of the ratios to the loop of the same round, in seconds by the clock and of the
processor.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

from benchmarks.machine import describe_machine, load

BATCH, LATENT, HIDDEN = 128, 50, 200


class Taken(NamedTuple):
    """What a process took: seconds by the clock, and of the processor."""

    clock: float
    processor: float


def by_hand(*, with_tfp: bool = False) -> float:
    """One step of a loop that is written by hand."""
    import keras
    import tensorflow as tf
    from sklearn.datasets import load_digits

    if with_tfp:
        import tensorflow_probability  # noqa: F401

    images = load_digits().data[:1500].astype("float32") / 16.0
    data = tf.data.Dataset.from_tensor_slices(images).shuffle(1500).batch(BATCH)

    def network(inputs: int, outputs: int) -> keras.Model:
        hidden = [keras.layers.Dense(HIDDEN, "relu") for _ in range(2)]
        return keras.Sequential([keras.Input((inputs,)), *hidden, keras.layers.Dense(outputs)])

    encoder, decoder = network(64, 2 * LATENT), network(LATENT, 64)
    weights = encoder.trainable_variables + decoder.trainable_variables
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(weights)

    @tf.function
    def step(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loc, raw = tf.split(encoder(x, training=True), 2, axis=-1)
            scale = tf.nn.softplus(raw)
            z = loc + scale * tf.random.normal(tf.shape(loc))
            logits = decoder(z, training=True)
            errors = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)
            rate = tf.reduce_sum((loc**2 + scale**2 - 1) / 2 - tf.math.log(scale), axis=-1)
            loss = tf.reduce_mean(tf.reduce_sum(errors, axis=-1) + rate)
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    return float(step(next(iter(data))))


def by_package() -> float:
    """One step of the package."""
    import tfvae

    layers, networks = tfvae.layers, tfvae.networks
    train = tfvae.data.load("digits", split="train", batch_size=BATCH)
    mlp = [HIDDEN, HIDDEN]
    vae = tfvae.VAE(
        networks.Encoder(networks.MLP(mlp), layers.IndependentNormal(LATENT)),
        networks.Decoder(networks.MLP(mlp), layers.IndependentBernoulli((8, 8, 1))),
    )
    vae.compile("adam")  # 1e-3
    return vae.fit(train, steps_per_epoch=1, epochs=1, verbose=0).history["loss"][0]


PROGRAMS = {
    "by hand": by_hand,
    "by hand, with tfp": lambda: by_hand(with_tfp=True),
    "tfvae": by_package,
}


def take(program: str) -> Taken:
    """Runs a program in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.startup", "--program", program]
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    start = time.perf_counter()
    process = subprocess.Popen(
        command, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{program!r} failed: run {' '.join(command)}")
    return Taken(time.perf_counter() - start, used.ru_utime + used.ru_stime)


def main() -> None:
    """Takes the rounds and prints the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--program", choices=PROGRAMS, help="run this one here, and no other")
    given = parser.parse_args()
    if given.program:
        print(f"loss {PROGRAMS[given.program]():.2f}")
        return
    print(f"{describe_machine()}; load {load():.1f}")
    for program in PROGRAMS:
        take(program)  # writes and caches the compiled files
    rounds = [{program: take(program) for program in PROGRAMS} for _ in range(given.rounds)]
    print(f"{'':18} {'clock':>8} {'ratio':>6} {'processor':>10} {'ratio':>6}")
    for program in PROGRAMS:
        cells = []
        for kind in Taken._fields:
            seconds = [getattr(taken[program], kind) for taken in rounds]
            base = [getattr(taken["by hand"], kind) for taken in rounds]
            ratios = [a / b for a, b in zip(seconds, base, strict=True)]
            cells += [statistics.median(seconds), statistics.median(ratios)]
        print("{:18} {:6.2f} s {:6.2f} {:8.2f} s {:6.2f}".format(program, *cells))
    print(f"medians of {given.rounds} rounds; load at the end {load():.1f}")


if __name__ == "__main__":
    main()
