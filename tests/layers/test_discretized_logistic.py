"""The discretized logistic against differences of SciPy's distribution functions."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tfvae.layers.levels_logistic import LevelsLogistic

LEVELS = np.arange(256, dtype="float32")
CASES = [(0.0, 0.5), (0.3, 1e-3), (0.501, 1e-3), (-2.0, 0.05), (5.0, 0.3), (0.2, 30.0)]


def masses(loc, scale, levels=256):
    """P(0) .. P(levels − 1) in float64, from the tail where it does not cancel."""
    loc, scale = np.float64(np.float32(loc)), np.float64(np.float32(scale))
    edges = (np.arange(levels - 1) + 0.5) * 2 / (levels - 1) - 1
    below = np.concatenate([[0], scipy.stats.logistic.cdf(edges, loc, scale), [1]])
    above = np.concatenate([[1], scipy.stats.logistic.sf(edges, loc, scale), [0]])
    return np.where(below[1:] < 0.5, np.diff(below), -np.diff(above))


@pytest.mark.parametrize(("loc", "scale"), CASES)
def test_masses(loc, scale):
    expected = masses(loc, scale)
    seen = expected > 1e-300
    actual = LevelsLogistic(loc, scale).log_prob(LEVELS).numpy()
    # The float32 of an edge over the scale is what remains: eps · 128 levels / scale in levels.
    tolerance = 2e-6 + 2**-24 * 256 / (scale * 127.5)
    np.testing.assert_allclose(actual[seen], np.log(expected[seen]), rtol=1e-5, atol=2 * tolerance)


@pytest.mark.parametrize(("loc", "scale"), CASES)
def test_masses_add_up_to_one(loc, scale):
    log_mass = LevelsLogistic(loc, scale).log_prob(LEVELS).numpy()
    assert np.exp(np.float64(log_mass)).sum() == pytest.approx(1, abs=5e-7)


@pytest.mark.parametrize(("loc", "scale"), CASES)
def test_moments_are_exact(loc, scale):
    mass = masses(loc, scale)
    mean = (mass * LEVELS).sum()
    variance = (mass * (LEVELS - mean) ** 2).sum()
    distribution = LevelsLogistic(loc, scale)
    tolerance = 2**-23 * 128 * 2
    np.testing.assert_allclose(distribution.mean(), mean, rtol=1e-6, atol=tolerance)
    np.testing.assert_allclose(distribution.variance(), variance, rtol=2e-4, atol=tolerance)


@pytest.mark.parametrize(("loc", "scale"), CASES)
def test_mode_has_the_greatest_mass(loc, scale):
    mass = masses(loc, scale)
    mode = int(LevelsLogistic(loc, scale).mode())
    assert mass[mode] == pytest.approx(mass.max(), rel=1e-4)


def test_gradients_are_finite_in_the_farthest_tail():
    loc, scale = tf.constant([-50.0, 0.0, 50.0]), tf.constant([1e-3, 1e-3, 1e-3])
    with tf.GradientTape() as tape:
        tape.watch([loc, scale])
        log_mass = LevelsLogistic(loc, scale).log_prob(LEVELS[:, None])
    assert np.all(np.isfinite(log_mass))
    for gradient in tape.gradient(log_mass, [loc, scale]):
        assert np.all(np.isfinite(gradient))
        assert np.all(gradient != 0)


def test_gradients_are_differences_of_the_exact_masses():
    loc, scale, step = 0.1, 0.02, 1e-6
    with tf.GradientTape() as tape:
        variables = [tf.constant(loc), tf.constant(scale)]
        tape.watch(variables)
        log_mass = LevelsLogistic(*variables).log_prob([120.0, 140.0, 150.0])
    actual = tape.jacobian(log_mass, variables)

    def exact(loc, scale):
        edges = (np.array([[119.5, 120.5], [139.5, 140.5], [149.5, 150.5]])) * 2 / 255 - 1
        return np.log(np.diff(scipy.stats.logistic.cdf(edges, loc, scale)))[:, 0]

    by_loc = (exact(loc + step, scale) - exact(loc - step, scale)) / (2 * step)
    by_scale = (exact(loc, scale + step) - exact(loc, scale - step)) / (2 * step)
    np.testing.assert_allclose(actual[0], by_loc, rtol=1e-3)
    np.testing.assert_allclose(actual[1], by_scale, rtol=1e-3)


@pytest.mark.parametrize(("loc", "scale"), [(0.1, 0.3), (-1.2, 0.2), (0.9, 0.05)])
def test_samples_follow_the_masses(loc, scale):
    levels, n = 16, 40000
    expected = masses(loc, scale, levels) * n
    draws = LevelsLogistic(loc, scale, levels).sample(n, seed=2).numpy().astype(int)
    seen = np.bincount(draws, minlength=levels)
    often = expected > 5
    statistic = ((seen - expected) ** 2 / expected)[often].sum()
    assert scipy.stats.chi2.sf(statistic, often.sum() - 1) > 1e-4


def test_checked_values_have_to_be_levels():
    checked = LevelsLogistic(0.0, 1.0, 4, validate_args=True)
    assert np.isfinite(checked.log_prob(3.0))
    for value in (-1.0, 4.0, 0.5):
        with pytest.raises(tf.errors.InvalidArgumentError, match="have to be the levels"):
            checked.log_prob(value)


def test_mean_keeps_no_tensor_of_all_levels():
    concrete = tf.function(lambda x: LevelsLogistic(x, 0.1).mean()).get_concrete_function(
        tf.TensorSpec([100])
    )
    sizes = [
        np.prod(tensor.shape)
        for operation in concrete.graph.get_operations()
        for tensor in operation.outputs
        if tensor.shape.rank is not None
    ]
    assert max(sizes) <= 100
