import numpy as np
import tensorflow as tf

from tfvae.data.randomness import Purpose, image_uniform, stateless_key


def test_image_uniform_is_uniform():
    noise = image_uniform(tf.range(2000), (10, 10, 1), seed=0).numpy()
    assert noise.shape == (2000, 10, 10, 1)
    assert noise.dtype == np.float32
    assert noise.min() >= 0
    assert noise.max() < 1
    counts, _ = np.histogram(noise, bins=100, range=(0, 1))
    expected = noise.size / 100
    chi_squared = np.sum((counts - expected) ** 2 / expected)
    assert abs(chi_squared - 99) < 5 * np.sqrt(2 * 99)


def test_image_uniform_does_not_correlate():
    """Neither between pixels, nor between images, nor between seeds."""
    noise = image_uniform(tf.range(2000), (100,), seed=0).numpy()
    other = image_uniform(tf.range(2000), (100,), seed=1).numpy()
    pairs = {
        "pixels": (noise[:, :-1], noise[:, 1:]),
        "images": (noise[:-1], noise[1:]),
        "seeds": (noise, other),
        "shift": (noise[:-1, 1:], noise[1:, :-1]),
    }
    for name, (a, b) in pairs.items():
        correlation = np.corrcoef(a.ravel(), b.ravel())[0, 1]
        assert abs(correlation) < 5 / np.sqrt(a.size), name


def test_image_uniform_belongs_to_the_position():
    positions = tf.constant([7, 70_000, 3], tf.int64)
    together = image_uniform(positions, (5,), seed=2).numpy()
    alone = image_uniform(positions[1:2], (5,), seed=2).numpy()
    assert np.array_equal(together[1:2], alone)
    assert len(np.unique(together)) == together.size


def test_no_two_purposes_share_a_key():
    keys = {
        tuple(stateless_key(seed, purpose, counter).numpy())
        for seed in range(5)
        for purpose in Purpose
        for counter in (0, 1, 2**32, 2**32 + 1)
    }
    assert len(keys) == 5 * len(Purpose) * 4
