"""Reconstructions and samples of every kind of data."""

import numpy as np
import pytest

from tfvae import plots
from tfvae.errors import UserError
from tfvae.plots.kinds import as_pictures

RNG = np.random.default_rng(0)
KINDS = {
    "grey": RNG.random([30, 8, 8, 1]),
    "colour": RNG.random([30, 6, 9, 3]),
    "no channel axis": RNG.random([30, 8, 8]),
    "many channels": RNG.random([30, 5, 5, 7]),
    "wide": RNG.random([30, 2, 200, 1]),
    "vectors": RNG.normal(size=[30, 12]),
    "points": RNG.normal(size=[30, 2]),
    "numbers": RNG.normal(size=[30, 1]),
    "constant": np.zeros([30, 5]),
}


def image_of(figure):
    return figure.axes[0].images[0].get_array()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_is_drawn(linear, kind):
    x = KINDS[kind].astype(np.float32)
    vae = linear(x, min(3, x[0].size))
    if kind == "constant":
        vae.inverse = np.zeros_like(vae.inverse)
    for figure in (
        plots.reconstructions(vae, x),
        plots.samples(vae, 7),
        plots.traversals(vae, x, steps=4),
        plots.latent_plane(vae, x, np.arange(30) % 3),
        plots.rate_bars(vae, x),
    ):
        pixels = plots.to_image(figure)
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 4
        assert pixels[..., :3].std() > 0
        edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
        assert all((edge == 255).all() for edge in edges)


def test_originals_stand_above_their_reconstructions(linear, digits):
    x = digits[0][:14]
    vae = linear(digits[0], 5)
    made = np.clip(vae.reconstruct(x), 0, 1)
    array = image_of(plots.reconstructions(vae, x, columns=10))
    cell, gap, group = 80, 4, 16  # pixels: 8 of the image, ten times
    assert array.shape[:2] == (4 * cell + 2 * gap + group, 10 * cell + 9 * gap)
    tops = [0, cell + gap, 2 * cell + gap + group, 3 * cell + 2 * gap + group]
    for index in (0, 7, 13):
        row, column = divmod(index, 10)
        left = column * (cell + gap)
        for top, source in zip(tops[2 * row : 2 * row + 2], (x, made), strict=True):
            found = array[top : top + cell : 10, left : left + cell : 10, 0]
            np.testing.assert_allclose(found, source[index, :, :, 0], atol=1e-6)
    assert (array[tops[2] :, 4 * (cell + gap) :] == 1).all()  # cells that nothing fills


def test_only_as_many_as_asked_for(linear, digits):
    vae = linear(digits[0], 5)
    array = image_of(plots.reconstructions(vae, digits[0], columns=3, rows=2))
    assert array.shape[:2] == (4 * 80 + 2 * 4 + 16, 3 * 80 + 2 * 4)


def test_samples_are_the_means_of_the_seeds_draws(linear, digits):
    vae = linear(digits[0], 5)
    array = image_of(plots.samples(vae, 6, seed=3))
    expected = np.clip(vae.sample(6, seed=3, mean=True), 0, 1)
    assert array.shape[:2] == (2 * 80 + 4, 3 * 80 + 2 * 4)
    np.testing.assert_allclose(array[84:164:10, 168:248:10, 0], expected[5, :, :, 0], atol=1e-6)
    assert np.abs(image_of(plots.samples(vae, 6, seed=4)) - array).max() > 0.1


def test_levels_are_scaled(linear):
    x = RNG.integers(0, 256, [12, 8, 8, 1]).astype(np.uint8)
    vae = linear(x, 3)
    array = image_of(plots.reconstructions(vae, x, levels=256, columns=12))
    np.testing.assert_allclose(array[:80:10, :80:10, 0], x[0, :, :, 0] / 255, atol=1e-6)
    with pytest.raises(UserError, match=r"values from \d+ to 25\d, but \[0, 1\] is meant"):
        plots.reconstructions(vae, x)


def test_pictures_are_clipped_and_grey_is_grey():
    pictures = as_pictures(np.array([[[[-1.0], [0.25]], [[2.0], [np.nan]]]]))
    np.testing.assert_array_equal(pictures[0, :, :, 0], [[0, 0.25], [1, 0]])
    assert (pictures == pictures[..., :1]).all()
    np.testing.assert_allclose(as_pictures(np.array([[[[0.0, 0.5]]]])), 0.25)


def test_vectors_are_drawn_to_one_scale(linear):
    x = KINDS["vectors"]
    vae = linear(x, 3)
    figure = plots.reconstructions(vae, x, columns=5, rows=2)
    _, original, made = figure.axes[0].collections
    values = np.concatenate([x[:10], vae.reconstruct(x[:10])])
    low, high = values.min(), values.max()
    for collection, rows in ((original, x[:10]), (made, values[10:])):
        path = collection.get_paths()[7].vertices  # second row, third column
        down = 84 + 8 + 6 + 72 * (high - rows[7]) / (high - low)
        np.testing.assert_allclose(path[:, 1], down, atol=1e-3)
        np.testing.assert_allclose(path[[0, -1], 0], [2 * 134 + 6, 2 * 134 + 120])


def test_points_are_joined_to_their_reconstructions(linear):
    x = KINDS["points"]
    vae = linear(x, 1)
    axes = plots.reconstructions(vae, x).axes[0]
    links, original, made = axes.collections
    np.testing.assert_allclose(original.get_offsets(), x, atol=1e-6)
    np.testing.assert_allclose(made.get_offsets(), vae.reconstruct(x), atol=1e-6)
    np.testing.assert_allclose(links.get_paths()[4].vertices[0], x[4], atol=1e-6)


def test_the_context_goes_to_the_model(linear, digits):
    x, y = digits
    vae = linear(x, 3)
    plots.reconstructions(vae, x[:12], context=y[:12], columns=4, rows=2)
    plots.samples(vae, 4, context=y[:4])
    assert all(len(context) in (1, 4, 8) for context in vae.contexts)
    with pytest.raises(UserError, match="context has 5 entries and x has 12"):
        plots.reconstructions(vae, x[:12], context=y[:5])
    with pytest.raises(UserError, match="context has 5 entries and n is 4"):
        plots.samples(vae, 4, context=y[:5])


@pytest.mark.parametrize("x", [np.zeros([0, 8, 8, 1]), np.float32(1.0), ["a", "b"], object()])
def test_what_is_no_data_is_refused(linear, digits, x):
    with pytest.raises(UserError, match=r"^x (is a|has shape)"):
        plots.reconstructions(linear(digits[0], 2), x)


def test_numbers_out_of_range_are_refused(linear, digits):
    x = digits[0][:20]
    vae = linear(x, 2)
    for call in (
        lambda: plots.samples(vae, 0),
        lambda: plots.reconstructions(vae, x, columns=0),
        lambda: plots.traversals(vae, x, steps=1),
        lambda: plots.samples(vae, levels=1),
    ):
        with pytest.raises(UserError, match="give "):
            call()
