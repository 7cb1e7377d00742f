"""TensorFlow by hand: Keras layers, the formulas of the paper, one `tf.function` a step.

The images are a float32 tensor in memory; `tf.data` shuffles them and makes the batches.
"""

from __future__ import annotations

import math

from benchmarks.networks import LATENT, MIN_SCALE
from benchmarks.turns import Turns


def main() -> None:
    """Takes the turns."""
    turns = Turns()
    import keras
    import tensorflow as tf

    from benchmarks.contestants.keras_networks import make_decoder, make_encoder

    workload = turns.workload
    samples = workload.samples or 1
    image = turns.images().shape[1:]
    encoder = make_encoder(workload.network, image)
    decoder = make_decoder(workload.network, image)

    def posterior(x):
        mean, raw = tf.split(encoder(x, training=True), 2, axis=-1)
        return mean, tf.nn.softplus(raw) + MIN_SCALE

    def distortion(x, z):
        logits = decoder(z, training=True)
        cross = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)
        return tf.reduce_sum(cross, axis=(1, 2, 3))

    def log_weights(x, samples):
        """Log p(x, z) / q(z|x), `[samples, batch]`."""
        mean, scale = posterior(x)
        noise = tf.random.normal([samples, *x.shape[:1], LATENT])
        z = mean + scale * noise
        flat = tf.reshape(z, [-1, LATENT])
        repeated = tf.tile(x, [samples, 1, 1, 1])
        log_likelihood = -tf.reshape(distortion(repeated, flat), [samples, -1])
        log_ratio = tf.reduce_sum(0.5 * (noise**2 - z**2) + tf.math.log(scale), axis=-1)
        return log_likelihood + log_ratio

    if workload.kind == "log_prob":

        @tf.function
        def log_prob(x):
            return tf.reduce_logsumexp(log_weights(x, samples), axis=0) - math.log(samples)

        x = tf.constant(turns.binary_images())

        def estimate():
            # One image after the other, with all its samples.
            return -sum(float(log_prob(x[i : i + 1])[0]) for i in range(len(x))) / len(x)

        posterior(x[:1])
        turns.ready(["tensorflow", "keras"])
        turns.take(estimate)

    optimizer = keras.optimizers.Adam(1e-3)
    weights = encoder.trainable_weights + decoder.trainable_weights
    optimizer.build(weights)
    images = turns.images().astype("float32") / 255.0
    data = tf.data.Dataset.from_tensor_slices(images).shuffle(len(images))
    data = data.batch(workload.batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE)

    def negative_elbo(x):
        mean, scale = posterior(x)
        z = mean + scale * tf.random.normal(tf.shape(mean))
        rate = 0.5 * tf.reduce_sum(mean**2 + scale**2 - 1.0 - 2.0 * tf.math.log(scale), axis=-1)
        return distortion(x, z) + rate

    def negative_bound(x):
        return math.log(samples) - tf.reduce_logsumexp(log_weights(x, samples), axis=0)

    @tf.function
    def step(x):
        x = tf.cast(tf.random.uniform(tf.shape(x)) < x, tf.float32)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(negative_bound(x) if samples > 1 else negative_elbo(x))
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    def epoch():
        losses = [step(x) for x in data]
        return tf.reduce_mean(losses).numpy()

    turns.ready(["tensorflow", "keras"])
    turns.take(epoch)


if __name__ == "__main__":
    main()
