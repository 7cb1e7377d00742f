"""Figures of a conditional model say which label they show."""

import numpy as np
import pytest

from tfvae import plots
from tfvae.plots.labels import labels_of, places

NAMES = ["cat", "dog", "an owl with a name as long as a line"]


def words(figure):
    """All that is written in a figure, from top to bottom, and from left to right."""
    texts = sorted(figure.axes[0].texts, key=lambda text: text.get_position()[::-1])
    return [text.get_text() for text in texts]


@pytest.fixture
def vae(linear, digits):
    return linear(digits[0], 3)


def test_one_label_is_in_the_title(vae, digits):
    same = np.full(6, 3)
    assert words(plots.samples(vae, 6, context=same)) == [
        "Samples: mean of p(x|z, label) at z from the prior, label 3"
    ]
    title = words(plots.reconstructions(vae, digits[0][:6], context=same, names=["a"] * 4))[0]
    assert title == "Originals and their reconstructions, label a"
    mixed = np.array([2, 1, 0, 1, 2, 0])
    title = words(plots.traversals(vae, digits[0][:6], context=mixed, names=NAMES[:2]))[0]
    assert title == "Latent traversals, sorted by rate, label 2"  # it has no name


@pytest.mark.parametrize(
    ("context", "written"),
    [
        ([0, 0, 0, 1, 1, 1], ["cat", "dog"]),
        ([0, 1, 0, 1, 0, 1], ["cat", "dog", "cat", "dog", "cat", "dog"]),
        ([1, 0, 1, 1, 0, 1], ["dog", "cat", "dog"]),
    ],
)
def test_labels_stand_at_rows_columns_or_cells(vae, context, written):
    figure = plots.samples(vae, 6, context=np.array(context), columns=3, names=NAMES)
    assert words(figure)[1:] == written


def test_examples_have_captions_below_their_reconstructions(vae, digits):
    context = np.arange(7) % 3
    figure = plots.reconstructions(vae, digits[0][:7], context=context, names=NAMES, columns=4)
    captions = [text for text in figure.axes[0].texts if text.get_va() == "top"]
    found = [text.get_text() for text in captions]
    assert found[:2] + found[3:5] == ["cat", "dog", "cat", "dog"]
    assert NAMES[2].startswith(found[2].removesuffix("…"))
    renderer = plots.to_image(figure)
    height = figure.axes[0].images[0].get_array().shape[0]
    # Nothing is written over an image: the first row of pairs ends at 2 · 80 + 4 pixels.
    assert all(text.get_position()[1] >= 164 for text in captions[:4])
    assert all(height <= text.get_position()[1] for text in captions[4:])
    assert (renderer[-1, :, :3] == 255).all()
    extents = [text.get_window_extent() for text in captions]
    assert all(extent.width <= 80 for extent in extents)
    second = figure.axes[0].transData.transform((0, 164 + 4 + 16 + 25))[1]
    assert all(extent.y0 >= second - 4 for extent in extents[:4])


def test_points_have_the_colours_of_their_labels(linear):
    x = np.random.default_rng(0).normal(size=[30, 2]).astype(np.float32)
    context = np.arange(9) % 3
    axes = plots.samples(linear(x, 2), 9, context=context, names=NAMES).axes[0]
    assert [len(dots.get_offsets()) for dots in axes.collections] == [3, 3, 3]
    assert sorted(text.get_text() for text in axes.get_legend().get_texts()) == sorted(NAMES)
    axes = plots.samples(linear(x[:, :1], 1), 9, context=context).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["0", "1", "2"]


def test_what_is_no_label_is_not_written(vae):
    for context in (np.zeros([6, 2]), np.zeros(6), {"a": np.zeros(6, int)}, None):
        assert labels_of(context) is None
    assert words(plots.samples(vae, 6, context=np.zeros([6, 2]))) == [
        "Samples: mean of p(x|z) at z from the prior"
    ]
    assert labels_of(np.array([[1], [0]]), NAMES) == ["dog", "cat"]
    assert labels_of([b"a", b"b"]) == ["a", "b"]
    assert places(["a", "b"], 1) == {"captions": ["a", "b"]}
