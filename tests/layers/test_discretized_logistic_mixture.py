"""Mixtures of discretized logistics: coupled colours, probabilities, samples, means."""

import itertools

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfvae.errors import UserError
from tfvae.layers import DiscretizedLogisticMixture
from tfvae.layers.discretized_logistic_mixture import LevelsLogisticMixture
from tfvae.layers.levels_logistic import LevelsLogistic


@pytest.fixture
def pixel():
    """A pixel of three channels, two components, five levels."""
    rng = np.random.default_rng(0)
    return LevelsLogisticMixture(
        logits=rng.normal(size=2).astype("float32"),
        loc=rng.uniform(-1, 1, size=(3, 2)).astype("float32"),
        scale=rng.uniform(0.1, 0.5, size=(3, 2)).astype("float32"),
        coupling=rng.uniform(-1, 1, size=(3, 2)).astype("float32"),
        levels=5,
    )


@pytest.fixture
def colours():
    """All 125 colours of five levels."""
    return np.array(list(itertools.product(range(5), repeat=3)), "float32")


def test_probabilities_of_all_colours_add_up_to_one(pixel, colours):
    assert tf.reduce_sum(pixel.prob(colours)).numpy() == pytest.approx(1, abs=1e-6)


def test_probability_is_the_formula(pixel, colours):
    """Written out with SciPy: red, then green given red, then blue given both."""
    loc, scale, a = (np.float64(v) for v in (pixel.loc, pixel.scale, pixel.coupling))
    weights = np.exp(pixel.logits) / np.exp(pixel.logits).sum()

    def mass(level, loc, scale):
        top = 1.0 if level == 4 else scipy.stats.logistic.cdf((level + 0.5) / 2 - 1, loc, scale)
        low = 0.0 if level == 0 else scipy.stats.logistic.cdf((level - 0.5) / 2 - 1, loc, scale)
        return top - low

    def probability(red, green, blue):
        x, y = red / 2 - 1, green / 2 - 1
        return sum(
            weights[k]
            * mass(red, loc[0, k], scale[0, k])
            * mass(green, loc[1, k] + a[0, k] * x, scale[1, k])
            * mass(blue, loc[2, k] + a[1, k] * x + a[2, k] * y, scale[2, k])
            for k in range(2)
        )

    expected = [probability(*colour) for colour in colours]
    np.testing.assert_allclose(pixel.prob(colours), expected, rtol=2e-5)


def test_samples_follow_the_probabilities(pixel, colours):
    n = 40000
    draws = pixel.sample(n, seed=1).numpy().astype(int)
    seen = np.bincount(draws @ [25, 5, 1], minlength=125)
    expected = pixel.prob(colours).numpy() * n
    often = expected > 5
    statistic = ((seen - expected) ** 2 / expected)[often].sum()
    assert scipy.stats.chi2.sf(statistic, often.sum() - 1) > 1e-4


def test_mean_of_the_first_channel_is_exact(pixel, colours):
    exact = np.sum(pixel.prob(colours).numpy()[:, None] * colours, axis=0)
    assert pixel.mean()[0].numpy() == pytest.approx(exact[0], rel=1e-5)


def test_mean_is_exact_without_coupling(pixel, colours):
    plain = pixel.copy(coupling=tf.zeros_like(pixel.coupling))
    exact = np.sum(plain.prob(colours).numpy()[:, None] * colours, axis=0)
    np.testing.assert_allclose(plain.mean(), exact, rtol=1e-5)


def test_mean_of_coupled_channels_is_close_at_the_ends(colours):
    """Wide components next to an end: with the channels before at their mean it is 0.23 off."""
    rng = np.random.default_rng(2)
    pixel = LevelsLogisticMixture(
        logits=np.zeros((20, 1), "float32"),
        loc=rng.uniform(-1.2, 1.2, size=(20, 3, 1)).astype("float32"),
        scale=np.full((20, 3, 1), 0.3, "float32"),
        coupling=rng.uniform(-1, 1, size=(20, 3, 1)).astype("float32"),
        levels=5,
    )
    exact = np.einsum("cn,cd->nd", pixel.prob(colours[:, None]), colours)
    error = np.abs(pixel.mean() - exact).max(axis=0)
    assert error[0] < 1e-5
    assert error.max() < 0.05


def test_mean_of_coupled_channels_is_exact_away_from_the_ends():
    loc = np.float32([[0.1], [-0.1], [0.2]])
    pixel = LevelsLogisticMixture(
        [0.0], loc, np.float32([[0.05]] * 3), np.float32([[0.5], [-0.4], [0.3]]), levels=64
    )
    n = 40000
    draws = pixel.sample(n, seed=3).numpy()
    error = draws.std(0) / np.sqrt(n)
    assert np.all(np.abs(draws.mean(0) - pixel.mean()) < 4.5 * error)


def test_one_grey_channel_and_one_component_is_the_discretized_logistic():
    params = np.random.default_rng(0).normal(size=(3, 2 * 3)).astype("float32")
    mixture = DiscretizedLogisticMixture.new(params, (2, 1), num_components=1, levels=16)
    _, loc, raw = np.moveaxis(params.reshape(3, 2, 3), -1, 0)
    alone = LevelsLogistic(loc, np.log1p(np.exp(raw)) + 1e-3, levels=16)
    x = np.float32([[[3], [9]]] * 3)
    np.testing.assert_allclose(
        mixture.log_prob(x), tf.reduce_sum(alone.log_prob(x[..., 0]), -1), rtol=1e-5
    )


def test_pixels_in_place_and_flat_are_the_same_pixels():
    layer = DiscretizedLogisticMixture((4, 2, 3), num_components=2, levels=8)
    params = np.random.default_rng(0).normal(size=(5, 4, 2, 20)).astype("float32")
    x = np.random.default_rng(1).integers(8, size=(5, 4, 2, 3)).astype("float32")
    flat = layer.make_distribution(tf.constant(params.reshape(5, -1)))
    np.testing.assert_allclose(layer(params).log_prob(x), flat.log_prob(x), rtol=1e-6)


def test_an_image_without_channels_is_refused():
    with pytest.raises(UserError, match="add an axis of 1"):
        DiscretizedLogisticMixture((28, 28))
