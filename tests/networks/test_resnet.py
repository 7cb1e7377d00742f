import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import layers
from tfvae.networks import ConvDown, Decoder, Encoder, ResNetDown, ResNetUp
from tfvae.networks.resnet import ResidualBlock


def make_block(filters=4, groups=None):
    block = ResidualBlock(ResNetDown((filters,), groups=groups, activation="tanh"), filters)
    x = np.random.default_rng(0).normal(size=(2, 5, 6, filters)).astype(np.float32)
    block(x)
    return block, x


def normalized(x, groups):
    split = x.reshape(len(x), -1, groups, x.shape[-1] // groups)
    mean = split.mean((1, 3), keepdims=True)
    variance = split.var((1, 3), keepdims=True)
    return ((split - mean) / np.sqrt(variance + 1e-3)).reshape(x.shape)


@pytest.mark.parametrize("groups", [None, 2])
def test_a_block_starts_as_the_identity(groups):
    block, x = make_block(groups=groups)
    np.testing.assert_array_equal(block(x), x)


@pytest.mark.parametrize("groups", [None, 2])
def test_a_block_adds_two_convolutions_of_what_is_activated(groups):
    block, x = make_block(groups=groups)
    rng = np.random.default_rng(1)
    kernels = [w for w in block.weights if w.path.endswith("kernel")]
    for kernel in kernels:
        kernel.assign(0.3 * rng.normal(size=kernel.shape))
    y = x
    for kernel in kernels:
        y = np.tanh(y if groups is None else normalized(y, groups))
        y = tf.nn.conv2d(y, kernel, 1, "SAME").numpy()
    np.testing.assert_allclose(block(x), x + y, rtol=1e-4, atol=1e-5)
    assert np.abs(y).max() > 0.1


def test_fresh_blocks_leave_strided_convolutions():
    x = np.random.default_rng(0).normal(size=(2, 9, 6, 1)).astype(np.float32)
    deep = ResNetDown((3, 4), blocks=3, activation="relu")
    plain = ConvDown((3, 4), activation="linear")
    deep(x)
    plain(x)
    strided = [layer for layer in deep.stack if getattr(layer, "strides", None) == (2, 2)]
    plain.set_weights([w for layer in strided for w in layer.get_weights()])
    np.testing.assert_allclose(deep(x), np.maximum(plain(x), 0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (33, 21)])
def test_up_meets_any_size(size):
    up = ResNetUp((6, 4), size, blocks=1)
    assert up(tf.zeros([2, 3])).shape == (2, *size, 4)
    decoder = Decoder(up, layers.IndependentNormal((*size, 3)))
    assert decoder(tf.zeros([2, 3])).event_shape == (*size, 3)
    assert decoder.projection.kernel.shape == (4, 6)


def test_blocks_stand_on_each_grid():
    down, up = ResNetDown((4, 6), blocks=3), ResNetUp((6, 4), (8, 8), blocks=3)
    for trunk in (down, up):
        assert sum(isinstance(layer, ResidualBlock) for layer in trunk.stack) == 6
    assert down(tf.zeros([1, 8, 8, 1])).shape == (1, 2, 2, 6)


def test_deep_trunks_keep_the_scale_of_what_goes_through():
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 8)).astype(np.float32)
    shallow, deep = (np.std(ResNetDown((8,), blocks=n)(x)) for n in (1, 20))
    assert 0.3 < deep / shallow < 3


def test_latents_on_a_grid():
    encoder = Encoder(ResNetDown((4, 4), blocks=1), layers.IndependentNormal((2, 2, 3)))
    z = encoder(tf.zeros([2, 8, 8, 1])).sample()
    assert z.shape == (2, 2, 2, 3)
    assert ResNetUp((4, 4), (8, 8), blocks=1)(z).shape == (2, 8, 8, 4)


def test_groups_that_do_not_divide_are_refused():
    with pytest.raises(tfvae.UserError, match=r"groups=3 .* filters=\[6, 8\]"):
        ResNetDown((6, 8), groups=3)
