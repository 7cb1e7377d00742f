import keras
import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

import tfvae
from tfvae import layers
from tfvae.networks import ConvDown, ConvUp, Decoder, Encoder
from tfvae.networks.chain import grids


def randomize(layer):
    rng = np.random.default_rng(5)
    layer.set_weights([0.3 * rng.normal(size=w.shape) for w in layer.get_weights()])


def convolution(x, kernel, bias, stride=1):
    """[batch, H, W, C] by scipy, padded as TensorFlow's "same" pads: more behind than before."""
    pads = []
    for n, k in zip(x.shape[1:3], kernel.shape, strict=False):
        total = max((-(-n // stride) - 1) * stride + k - n, 0)
        pads.append((total // 2, total - total // 2))
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    out = [
        sum(
            scipy.signal.correlate2d(image[..., i], kernel[..., i, o], mode="valid")
            for i in range(kernel.shape[2])
        )[::stride, ::stride]
        + bias[o]
        for image in x
        for o in range(kernel.shape[3])
    ]
    out = np.stack(out).reshape(len(x), kernel.shape[3], *out[0].shape)
    return np.moveaxis(out, 1, -1)


def relu(x):
    return np.maximum(x, 0)


@pytest.mark.parametrize("kernel_size", [3, 4])
@pytest.mark.parametrize("size", [(6, 5), (7, 4)])
def test_down_is_strided_convolutions(size, kernel_size):
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    trunk = ConvDown((4, 5), kernel_size=kernel_size, units=6)
    trunk(x)
    randomize(trunk)
    k1, b1, k2, b2, w, b = trunk.get_weights()
    expected = relu(convolution(relu(convolution(x, k1, b1, 2)), k2, b2, 2))
    expected = relu(expected.reshape(2, -1) @ w + b)
    np.testing.assert_allclose(trunk(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
def test_up_repeats_crops_and_convolves(size):
    z = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    trunk = ConvUp((4, 5), size)
    trunk(z)
    randomize(trunk)
    w, b, k1, b1, k2, b2 = trunk.get_weights()
    x = relu(z @ w + b).reshape(2, 2, 2, 4)
    for (height, width), kernel, bias in [(grids(size, 1)[0], k1, b1), (size, k2, b2)]:
        x = x.repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width]
        x = relu(convolution(x, kernel, bias))
    np.testing.assert_allclose(trunk(z), x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stages", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (28, 28), (33, 21), (3, 40)])
def test_up_goes_the_way_of_down_backwards(size, stages):
    filters = tuple(range(2, 2 + stages))
    down, up = ConvDown(filters), ConvUp(filters[::-1], size)
    features = down(tf.zeros([2, *size, 1]))
    assert features.shape == (2, *grids(size, stages)[0], filters[-1])
    assert up(tf.zeros([2, 3])).shape == (2, *size, filters[0])


def test_the_projection_of_a_decoder_works_in_place():
    decoder = Decoder(ConvUp((4, 3), (9, 6)), layers.IndependentBernoulli((9, 6, 2)))
    assert decoder(tf.zeros([2, 5])).event_shape == (9, 6, 2)
    assert decoder.projection.kernel.shape == (3, 2)


def test_latents_on_the_coarsest_grid_stay_there():
    head = layers.IndependentNormal((3, 2, 4))
    encoder = Encoder(ConvDown((5, 6)), head)
    decoder = Decoder(ConvUp((6, 5), (9, 6)), layers.IndependentBernoulli((9, 6, 1)))
    z = encoder(tf.zeros([2, 9, 6, 1])).sample()
    assert encoder.projection.kernel.shape == (6, 8)
    assert decoder(z).event_shape == (9, 6, 1)
    assert decoder.trunk.stack[0].dense.kernel.shape == (4, 6)
    # Position by position: what changes in one corner of z stays there.
    to_grid = decoder.trunk.stack[0]
    changed = np.any(to_grid(z) != to_grid(tf.concat([z[:, :1] + 1.0, z[:, 1:]], axis=1)), (0, 3))
    assert changed[0].all()
    assert not changed[1:].any()


def test_latents_on_another_grid_are_flattened():
    trunk = ConvUp((4,), (6, 6))
    assert trunk(tf.zeros([2, 2, 2, 3])).shape == (2, 6, 6, 4)
    assert trunk.stack[0].dense.kernel.shape == (12, 36)


def test_sizes_that_are_not_known_yet():
    model = keras.Sequential([keras.Input((None, None, 1)), ConvDown((2, 3))])
    assert model.output_shape == (None, None, None, 3)
    assert model(tf.zeros([1, 10, 6, 1])).shape == (1, 3, 2, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConvDown(()), r"filters takes positive integers.* got \(\)"),
        (lambda: ConvDown((32, 0)), "filters takes positive integers"),
        (lambda: ConvDown(32), "filters takes positive integers.* got 32"),
        (lambda: ConvUp((4,), (28, 28, 1)), r"size takes \(height, width\)"),
        (lambda: ConvDown((4,))(tf.zeros([2, 784])), r"takes images .* got .* \(2, 784\)"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(tfvae.UserError, match=message):
        make()


@pytest.mark.parametrize(
    ("down", "up"), [("ConvDown", "ConvUp"), ("ResNetDown", "ResNetUp")], ids=["conv", "resnet"]
)
@pytest.mark.representatives("conv")
def test_trains_on_digits(down, up):
    networks = tfvae.networks
    vae = tfvae.VAE(
        Encoder(getattr(networks, down)((16,)), layers.IndependentNormal(8)),
        Decoder(getattr(networks, up)((16,), (8, 8)), layers.IndependentBernoulli((8, 8, 1))),
    )
    vae.compile(optimizer=keras.optimizers.Adam(5e-3))
    test = next(iter(tfvae.data.load("digits", split="test", batch_size=300)))
    vae.check(test)
    untrained = np.mean(vae.elbo(test, seed=0))
    train = tfvae.data.load("digits", batch_size=100, repeat=True)
    vae.fit(train, steps_per_epoch=200, verbose=0)
    # The best that a decoder can do that ignores z: the frequency of each pixel.
    p = np.clip(np.mean([next(iter(train)) for _ in range(10)], axis=(0, 1)), 0.01, 0.99)
    ignoring = np.mean(np.sum(test * np.log(p) + (1 - test) * np.log1p(-p), axis=(1, 2, 3)))
    trained = np.mean(vae.elbo(test, seed=0))
    assert untrained < ignoring - 10
    assert trained > ignoring + 1
