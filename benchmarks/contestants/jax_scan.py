"""JAX: the step is pure functions, `lax.scan` runs it over the epoch, `jit` compiles it all.

In a loop of its own, XLA's convolutions run some hundred times slower on a processor, so the
convolutional network takes a compiled call a step instead of the scan.

Chosen: the images stay uint8 in memory and are gathered, scaled and binarized inside the step;
Adam is that of optax; JAX's default random numbers and threads.
"""

from __future__ import annotations

import math

from benchmarks import networks
from benchmarks.turns import Turns

VERSIONS = ("jax", "optax")


def main() -> None:
    """Takes the turns."""
    turns = Turns()
    import jax
    import jax.numpy as jnp
    import optax
    from jax import lax
    from jax.nn import relu, softplus
    from jax.scipy.special import logsumexp

    workload = turns.workload
    samples = workload.samples or 1
    images = turns.images()
    image = images.shape[1:]

    def weights_of(kernels, seed):
        flat = networks.initial_weights(kernels(workload.network, image), seed=seed)
        return list(zip(flat[::2], flat[1::2], strict=True))

    weights = {
        "encoder": weights_of(networks.encoder, 0),
        "decoder": weights_of(networks.decoder, 1),
    }
    weights = jax.tree.map(jnp.asarray, weights)

    def dense(x, layer):
        return x @ layer[0] + layer[1]

    def conv(x, layer, stride=1):
        layout = ("NHWC", "HWIO", "NHWC")
        strides = (stride, stride)
        return (
            lax.conv_general_dilated(x, layer[0], strides, "SAME", dimension_numbers=layout)
            + layer[1]
        )

    def double(x):
        return x.repeat(2, axis=1).repeat(2, axis=2)

    def posterior(layers, x):
        if workload.network == "conv":
            for layer in layers[:2]:
                x = relu(conv(x, layer, stride=2))
            layers = layers[2:]
        x = x.reshape(len(x), -1)
        for layer in layers[:-1]:
            x = relu(dense(x, layer))
        mean, raw = jnp.split(dense(x, layers[-1]), 2, axis=-1)
        return mean, softplus(raw) + networks.MIN_SCALE

    def logits_of(layers, z):
        if workload.network == "conv":
            x = relu(dense(z, layers[0])).reshape(-1, image[0] // 4, image[1] // 4, 64)
            x = relu(conv(double(x), layers[1]))
            return dense(relu(conv(double(x), layers[2])), layers[3])
        for layer in layers[:-1]:
            z = relu(dense(z, layer))
        return dense(z, layers[-1]).reshape(*z.shape[:-1], *image)

    def distortion(layers, x, z):
        logits = logits_of(layers, z)
        return (softplus(logits) - x * logits).sum((-3, -2, -1))

    def log_weights(weights, x, key):
        """Log p(x, z) / q(z|x), `[samples, batch]`."""
        mean, scale = posterior(weights["encoder"], x)
        noise = jax.random.normal(key, (samples, *mean.shape))
        z = mean + scale * noise
        ratio = (0.5 * (noise**2 - z**2) + jnp.log(scale)).sum(-1)
        return ratio - distortion(weights["decoder"], x, z)

    def bound(weights, x, key):
        return logsumexp(log_weights(weights, x, key), axis=0) - math.log(samples)

    def negative_elbo(weights, x, key):
        mean, scale = posterior(weights["encoder"], x)
        z = mean + scale * jax.random.normal(key, mean.shape)
        rate = 0.5 * (mean**2 + scale**2 - 1 - 2 * jnp.log(scale)).sum(-1)
        return distortion(weights["decoder"], x, z) + rate

    if workload.kind == "log_prob":
        x = jnp.asarray(turns.binary_images())

        @jax.jit
        def log_prob(weights, x, key):
            # One image after the other, with all its samples.
            keys = jax.random.split(key, len(x))
            return lax.map(lambda one: bound(weights, one[0][None], one[1])[0], (x, keys))

        posterior(weights["encoder"], x[:1])
        turns.ready(VERSIONS)
        turns.take(lambda: -log_prob(weights, x, jax.random.key(0)).mean())

    optimizer = optax.adam(1e-3, eps=1e-7)

    def loss_of(weights, x, key):
        loss = -bound(weights, x, key) if samples > 1 else negative_elbo(weights, x, key)
        return loss.mean()

    def step(carry, inputs, images):
        weights, state = carry
        rows, key = inputs
        noise_key, key = jax.random.split(key)
        x = images[rows].astype(jnp.float32) / 255
        x = jax.random.bernoulli(noise_key, x).astype(jnp.float32)
        loss, grads = jax.value_and_grad(loss_of)(weights, x, key)
        updates, state = optimizer.update(grads, state)
        return (optax.apply_updates(weights, updates), state), loss

    def order(images, key):
        order_key, key = jax.random.split(key)
        rows = jax.random.permutation(order_key, len(images)).reshape(-1, workload.batch)
        return rows, jax.random.split(key, len(rows))

    @jax.jit
    def scan(carry, images, key):
        carry, losses = lax.scan(lambda *a: step(*a, images), carry, order(images, key))
        return carry, losses.mean()

    one_step = jax.jit(step)

    def loop(carry, images, key):
        losses = []
        for inputs in zip(*order(images, key), strict=True):
            carry, loss = one_step(carry, inputs, images)
            losses.append(loss)
        return carry, jnp.stack(losses).mean()

    epoch = loop if workload.network == "conv" else scan
    carry, images, key = (weights, optimizer.init(weights)), jnp.asarray(images), jax.random.key(0)
    turns.ready(VERSIONS)
    while True:
        turns.begin()
        key, now = jax.random.split(key)
        carry, loss = epoch(carry, images, now)
        turns.end(loss)


if __name__ == "__main__":
    main()
