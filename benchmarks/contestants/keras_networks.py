"""The two networks in Keras, for the two contestants that are written with its layers."""

from __future__ import annotations

import keras

from benchmarks import networks

__all__ = ["make_decoder", "make_encoder"]

RELU = {"activation": "relu"}


def make_encoder(network: str, image: tuple[int, int, int]) -> keras.Model:
    """From the image to the mean and the raw scale of q(z|x)."""
    layers, same = keras.layers, {"padding": "same", **RELU}
    if network == "mlp":
        trunk = [layers.Flatten(), layers.Dense(200, **RELU), layers.Dense(200, **RELU)]
    else:
        trunk = [
            layers.Conv2D(32, 3, strides=2, **same),
            layers.Conv2D(64, 3, strides=2, **same),
            layers.Flatten(),
            layers.Dense(256, **RELU),
        ]
    return _begun(
        [layers.Input(image), *trunk, layers.Dense(2 * networks.LATENT)],
        networks.encoder,
        network,
        image,
        seed=0,
    )


def make_decoder(network: str, image: tuple[int, int, int]) -> keras.Model:
    """From z to the logits, `[batch, *image]`."""
    layers, same = keras.layers, {"padding": "same", **RELU}
    height, width, channels = image
    if network == "mlp":
        stack = [
            layers.Dense(200, **RELU),
            layers.Dense(200, **RELU),
            layers.Dense(height * width * channels),
            layers.Reshape(image),
        ]
    else:
        grid = (height // 4, width // 4, 64)
        stack = [
            layers.Dense(grid[0] * grid[1] * grid[2], **RELU),
            layers.Reshape(grid),
            layers.UpSampling2D(2),
            layers.Conv2D(32, 3, **same),
            layers.UpSampling2D(2),
            layers.Conv2D(32, 3, **same),
            layers.Dense(channels),
        ]
    return _begun(
        [layers.Input((networks.LATENT,)), *stack], networks.decoder, network, image, seed=1
    )


def _begun(stack, kernels, network, image, *, seed) -> keras.Model:
    model = keras.Sequential(stack)
    model.set_weights(networks.initial_weights(kernels(network, image), seed=seed))
    return model
