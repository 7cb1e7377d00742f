"""The training step through `fit` beside a hand-written `tf.function` loop of the same network.

One process, the same data pipeline, the same optimizer and the same number of steps, measured in
turn; the figures are medians over the rounds and their ratio.

    python benchmarks/train_step.py [--rounds=9] [--steps=600]
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from absl import app, flags

from tfvae.cli.quiet import import_quietly

_ROUNDS = flags.DEFINE_integer("rounds", 9, "Rounds, of which the medians are taken.")
_STEPS = flags.DEFINE_integer("steps", 600, "Steps in a round: 600 are an epoch of MNIST.")
_BATCH = flags.DEFINE_integer("batch_size", 100, "Examples in a batch.")
HAND_WRITTEN = "hand-written loop"


def _images():
    """Random grey images of MNIST's size: speed does not depend on what is in them."""
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (60_000, 28, 28, 1), dtype=np.uint8)


def _hand_written(dataset) -> Callable[[], None]:
    """The loop that a user writes: Keras layers, the formulas of the paper, one tf.function."""
    import keras
    import tensorflow as tf

    relu = {"activation": "relu"}
    encoder = keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dense(200, **relu),
            keras.layers.Dense(200, **relu),
            keras.layers.Dense(100),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.layers.Dense(200, **relu),
            keras.layers.Dense(200, **relu),
            keras.layers.Dense(784),
            keras.layers.Reshape((28, 28, 1)),
        ]
    )
    optimizer = keras.optimizers.Adam(1e-3)
    encoder.build((None, 28, 28, 1))
    decoder.build((None, 50))
    weights = encoder.trainable_weights + decoder.trainable_weights
    optimizer.build(weights)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            mean, raw = tf.split(encoder(x, training=True), 2, axis=-1)
            scale = tf.nn.softplus(raw) + 1e-3
            z = mean + scale * tf.random.normal(tf.shape(mean))
            logits = decoder(z, training=True)
            distortion = tf.reduce_sum(
                tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits), axis=(1, 2, 3)
            )
            rate = 0.5 * tf.reduce_sum(mean**2 + scale**2 - 1.0 - 2.0 * tf.math.log(scale), axis=-1)
            loss = tf.reduce_mean(distortion + rate)
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    def run() -> None:
        for x in dataset:
            loss = step(x)
        loss.numpy()

    return run


def _through_fit(dataset, **compile_options) -> Callable[[], None]:
    import keras

    import tfvae

    vae = tfvae.VAE(
        tfvae.networks.Encoder(tfvae.networks.MLP([200, 200]), tfvae.layers.IndependentNormal(50)),
        tfvae.networks.Decoder(
            tfvae.networks.MLP([200, 200]), tfvae.layers.IndependentBernoulli((28, 28, 1))
        ),
    )
    vae.compile(keras.optimizers.Adam(1e-3), **compile_options)
    return lambda: vae.fit(dataset, verbose=0)


def main(argv) -> None:
    """Measures and prints."""
    import_quietly()
    import tfvae

    dataset = tfvae.data.from_arrays(
        _images(), batch_size=_BATCH.value, binarization="dynamic"
    ).take(_STEPS.value)
    runs = {
        HAND_WRITTEN: _hand_written(dataset),
        "fit": _through_fit(dataset),
        "fit, one step a call": _through_fit(dataset, steps_per_execution=1),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(_ROUNDS.value + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if i:  # the first round traces
                times[name].append(time.perf_counter() - start)
    base = statistics.median(times[HAND_WRITTEN])
    print(f"{'':<24}{'ms per step':>12}{'ratio':>8}   (medians of {_ROUNDS.value} rounds)")
    for name, seconds in times.items():
        median = statistics.median(seconds)
        print(f"{name:<24}{1e3 * median / _STEPS.value:>12.3f}{median / base:>8.2f}")


if __name__ == "__main__":
    app.run(main)
