"""Autoregressive priors: several codes of a position, and the PixelCNN."""

import itertools

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import tfvae
from tfvae import priors

# A prior, the shape of its maps, and the codes of a position.
CASES = {
    "transformer": (lambda: priors.CodeTransformer(8, 2, 1), (2, 2), 2),
    "pixel_cnn": (lambda: priors.CodePixelCNN(8, 3, heads=2), (2, 2), 1),
    "pixel_cnn_depth": (lambda: priors.CodePixelCNN(8, 2, heads=2), (2, 2), 2),
    "pixel_cnn_row": (lambda: priors.CodePixelCNN(8, 3, heads=2), (4,), 1),
}


def made(name, codes=2, shape=None, vector=None):
    """A prior off its start, which is uniform, and counted as fitted."""
    make, default, depth = CASES[name]
    shape = shape or default
    keras.utils.set_random_seed(3)
    prior = make()
    prior.build((*shape, depth) if depth > 1 else shape, codes, vector, depth)
    rng = np.random.default_rng(0)
    for weight in prior.weights:
        weight.assign_add(0.5 * rng.normal(size=weight.shape).astype(np.float32))
    prior.fitted.assign(1.0)
    return prior


@pytest.mark.parametrize("name", CASES)
def test_probabilities_of_all_maps_sum_to_one(name):
    prior = made(name)
    length = int(np.prod(prior.shape))
    maps = np.array(list(itertools.product(range(2), repeat=length))).reshape([-1, *prior.shape])
    log_probs = prior.distribution().log_prob(maps).numpy()
    assert log_probs.std() > 0.3
    assert np.exp(log_probs).sum() == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_what_comes_before_is_seen_and_nothing_else(name):
    """By changing one code: the logits of all codes behind it move, those up to it do not."""
    prior = made(name, codes=3)
    length = int(np.prod(prior.shape))
    codes = np.random.default_rng(1).integers(0, 3, (1, length)).astype(np.int32)
    codes = np.tile(codes, [length, 1])
    changed = (codes + np.eye(length, dtype=np.int32)) % 3
    moved = np.abs(prior.network(tf.constant(changed)) - prior.network(tf.constant(codes)))
    moved = moved.max(-1)  # [changed, seen]
    np.testing.assert_allclose(moved[np.tril_indices(length)], 0.0, atol=1e-5)
    assert np.all(moved[np.triu_indices(length, 1)] > 1e-4)


def test_the_pixel_cnn_has_no_blind_spot_and_sees_its_reach():
    """By the gradient on a larger grid; three layers of 3 reach three rows up."""
    prior = made("pixel_cnn", shape=(4, 6))
    tokens = tf.constant(np.random.default_rng(0).normal(size=(1, 24, 8)).astype(np.float32))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(tokens)
        outputs = tf.unstack(tf.reduce_sum(prior.network.before(tokens, None) ** 2, axis=-1)[0])
    rows = [tape.gradient(one, tokens)[0] for one in outputs]
    seen = np.abs(np.stack(rows)).max(-1) > 0  # [position, of which]
    for i, j in itertools.product(range(24), repeat=2):
        (y, x), (v, u) = divmod(i, 6), divmod(j, 6)
        if j >= i or y - v > 3:
            assert not seen[i, j]
        elif abs(x - u) <= 1 and y - v <= 1:
            assert seen[i, j]
    # The upper right, which a masked kernel of one stack leaves out.
    assert seen[2 * 6 + 2, 1 * 6 + 4]
    assert seen[2 * 6 + 2, 0 * 6 + 5]


@pytest.mark.parametrize("name", ["transformer", "pixel_cnn_depth"])
def test_draws_follow_the_probabilities(name):
    prior = made(name, codes=2, shape=(1, 2))
    maps = np.array(list(itertools.product(range(2), repeat=4))).reshape([-1, 1, 2, 2])
    p = np.exp(np.float64(prior.distribution().log_prob(maps)))
    draws = prior.distribution().sample(4000, seed=(0, 1)).numpy()
    counts = [(draws == one).all((1, 2, 3)).sum() for one in maps]
    assert scipy.stats.chisquare(counts, 4000 * p / p.sum()).pvalue > 1e-3


def test_the_pixel_cnn_learns_each_class_by_itself():
    """The code left of a position, plus the class: with three classes, log 4 nats remain."""
    rng = np.random.default_rng(0)
    first, label = rng.integers(0, 4, 400), np.arange(400) % 3
    codes = np.stack([first, (first + label) % 4], axis=1)[:, None]
    vectors = np.eye(3, dtype=np.float32)[label]
    keras.utils.set_random_seed(0)
    prior = priors.CodePixelCNN(16, 2, heads=1, steps=60, learning_rate=0.03)
    prior.build((1, 2), 4, tf.constant(vectors[:1]))
    prior.fit(codes, vectors, seed=1)
    rate = -np.mean(prior.distribution(tf.constant(vectors)).log_prob(codes))
    assert np.log(4) - 0.05 < rate < np.log(4) + 0.1


@pytest.mark.parametrize(
    ("options", "words"),
    [({"kernel_size": 4}, "kernel_size takes an odd number"), ({"layers": 0}, "layers takes"),
     ({"width": 6}, "heads=4 does not divide width=6")],
)  # fmt: skip
def test_refusals(options, words):
    with pytest.raises(tfvae.UserError, match=words):
        priors.CodePixelCNN(**options)


def test_a_map_of_three_axes_is_refused():
    with pytest.raises(tfvae.UserError, match="one or two axes"):
        priors.CodePixelCNN(8).build((2, 2, 2), 4)
