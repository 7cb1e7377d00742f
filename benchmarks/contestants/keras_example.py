"""The VAE example of the Keras site in our own words: a `train_step`, `fit` with an array.

Reference: https://keras.io/examples/generative/vae. As there: a layer that samples, three `Mean`
metrics, the binary cross-entropy of Keras summed over the pixels, everything else at Keras's
defaults (one step a call, XLA, element-wise shuffling). Not as there: the networks, the scale (the
example has the logarithm of the variance) and the binarization, which are those of all
contestants, and the epsilon of Adam is Keras's default anyway.
"""

from __future__ import annotations

import math

from benchmarks.networks import MIN_SCALE
from benchmarks.turns import Turns


def main() -> None:
    """Takes the turns."""
    turns = Turns()
    import keras
    import tensorflow as tf
    from keras import ops

    from benchmarks.contestants.epochs import Epochs
    from benchmarks.contestants.keras_networks import make_decoder, make_encoder

    workload = turns.workload

    class Sampling(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.seed_generator = keras.random.SeedGenerator(1337)

        def call(self, inputs):
            mean, scale = inputs
            shape = (workload.samples or 1, *ops.shape(mean))
            return mean + scale * keras.random.normal(shape, seed=self.seed_generator)

    class VAE(keras.Model):
        def __init__(self, encoder, decoder, **kwargs):
            super().__init__(**kwargs)
            self.encoder, self.decoder, self.sampling = encoder, decoder, Sampling()
            names = ("loss", "reconstruction_loss", "kl_loss")
            self.trackers = [keras.metrics.Mean(name=name) for name in names]

        @property
        def metrics(self):
            return self.trackers

        def losses_of(self, x):
            """Loss, distortion and rate of each example."""
            mean, raw = ops.split(self.encoder(x), 2, axis=-1)
            scale = ops.softplus(raw) + MIN_SCALE
            z = self.sampling([mean, scale])
            samples = z.shape[0]
            reconstruction = ops.sigmoid(self.decoder(ops.reshape(z, (-1, z.shape[-1]))))
            cross = keras.losses.binary_crossentropy(
                ops.tile(x, (samples, 1, 1, 1)), reconstruction
            )
            cross = ops.reshape(ops.sum(cross, axis=(1, 2)), (samples, -1))
            if samples == 1:
                rate = 0.5 * ops.sum(mean**2 + scale**2 - 1 - 2 * ops.log(scale), axis=-1)
                return cross[0] + rate, cross[0], rate
            rate = 0.5 * ops.sum(z**2 - ((z - mean) / scale) ** 2 - 2 * ops.log(scale), axis=-1)
            bound = ops.logsumexp(-cross - rate, axis=0) - math.log(samples)
            return -bound, ops.mean(cross, axis=0), ops.mean(rate, axis=0)

        def train_step(self, data):
            x = tf.cast(tf.random.uniform(tf.shape(data)) < data, tf.float32)
            with tf.GradientTape() as tape:
                losses = [ops.mean(loss) for loss in self.losses_of(x)]
            grads = tape.gradient(losses[0], self.trainable_weights)
            self.optimizer.apply_gradients(zip(grads, self.trainable_weights, strict=True))
            for tracker, loss in zip(self.trackers, losses, strict=True):
                tracker.update_state(loss)
            return {tracker.name: tracker.result() for tracker in self.trackers}

    images = turns.images()
    image = images.shape[1:]
    vae = VAE(make_encoder(workload.network, image), make_decoder(workload.network, image))
    vae.compile(optimizer=keras.optimizers.Adam(1e-3))
    images = images.astype("float32") / 255
    turns.ready(["tensorflow", "keras"])
    vae.fit(images, epochs=10**6, batch_size=workload.batch, callbacks=[Epochs(turns)])


if __name__ == "__main__":
    main()
