"""The sprites against a drawing of their own, in numpy and double precision."""

import numpy as np
import pytest
import tensorflow as tf

from tfvae import data
from tfvae.data import sprites
from tfvae.errors import UserError

SIZES = np.array(list(sprites.FACTORS.values()))


def draw(factors):
    """Which pixels' centres a shape covers, each by another definition than the package's."""
    shape, scale, orientation, x, y = factors
    side = 16 * np.linspace(0.5, 1, 6)[scale]
    angle = np.linspace(0, 2 * np.pi, 40)[orientation]
    centre = np.linspace(12, 52, 32)
    grid = np.arange(64) + 0.5
    z = (grid[None, :] - centre[x]) - 1j * (grid[:, None] - centre[y])
    z = z * np.exp(-1j * angle) / side
    if shape == 0:
        return (abs(z.real) <= 0.5) & (abs(z.imag) <= 0.5)
    if shape == 1:
        a = np.sqrt(1.6 / np.pi)
        focus = np.sqrt(a**2 - (1 / (np.pi * a)) ** 2)
        return abs(z - focus) + abs(z + focus) <= 2 * a
    r = z * np.sqrt(3.662) + 0.2935j
    u, v = abs(r.real), r.imag
    # The heart solved for v: u^(2/3)/2 -+ sqrt(u^(4/3)/4 + 1 - u^2)
    middle, root = u ** (2 / 3) / 2, u ** (4 / 3) / 4 + 1 - u**2
    half = np.sqrt(np.maximum(root, 0))
    return (root >= 0) & (v >= middle - half) & (v <= middle + half)


def some_factors(count, seed=0):
    return np.random.default_rng(seed).integers(0, SIZES, (count, 5))


def pictures(factors):
    return sprites.images(sprites.index(np.asarray(factors))).numpy()[..., 0]


def test_grid_is_that_of_dsprites():
    assert sprites.FACTORS == {"shape": 3, "scale": 6, "orientation": 40, "x": 32, "y": 32}
    assert sprites.NUM_IMAGES == 737_280


def test_index_and_factors_are_inverse_to_each_other():
    every = np.arange(sprites.NUM_IMAGES)
    factors = sprites.factors(every)
    assert np.array_equal(sprites.index(factors), every)
    assert np.array_equal(factors, np.stack(np.unravel_index(every, SIZES), axis=-1))
    assert np.array_equal(sprites.factors(tf.constant(every[:99])).numpy(), factors[:99])


def test_shape_is_slowest_and_y_fastest():
    assert sprites.factors(1).tolist() == [0, 0, 0, 0, 1]
    assert sprites.index([1, 0, 0, 0, 0]) == sprites.NUM_IMAGES // 3


def test_against_a_drawing_in_numpy():
    """Up to a pixel on the very outline, which may fall on either side by rounding."""
    factors = some_factors(200)
    for image, one in zip(pictures(factors), factors, strict=True):
        assert np.sum(image != draw(one)) <= 1, one


def test_shapes_have_one_area_and_it_goes_with_the_scale():
    for shape in range(3):
        for scale in range(6):
            factors = [[shape, scale, turn, x, 9] for turn in range(40) for x in (3, 10, 17)]
            expected = (16 * (0.5 + 0.1 * scale)) ** 2
            area = pictures(factors).sum(axis=(1, 2)).mean()
            assert abs(area / expected - 1) < 0.02, (shape, scale)


def test_centroid_is_the_position():
    factors = some_factors(300, seed=1)
    factors[:, 1] = 5
    image = pictures(factors).astype(float)
    image /= image.sum(axis=(1, 2), keepdims=True)
    pixel = np.arange(64) + 0.5
    centre = np.linspace(12, 52, 32)
    across = (image.sum(axis=1) * pixel).sum(axis=1) - centre[factors[:, 3]]
    down = (image.sum(axis=2) * pixel).sum(axis=1) - centre[factors[:, 4]]
    assert np.abs(across).max() < 0.5
    assert np.abs(down).max() < 0.5
    assert abs(across.mean()) < 0.03
    assert abs(down.mean()) < 0.03


def test_orientation_turns_counter_clockwise():
    """The ellipse's principal axis, from second moments."""
    for orientation in range(1, 19):  # below half a turn
        image = pictures([[1, 5, orientation, 15, 15]])[0].astype(float)
        rows, columns = np.nonzero(image)
        u, v = columns - columns.mean(), -(rows - rows.mean())
        angle = 0.5 * np.arctan2(2 * np.mean(u * v), np.mean(u * u) - np.mean(v * v)) % np.pi
        assert abs(angle - orientation * 2 * np.pi / 39) < 0.06


def test_heart_stands_on_its_tip():
    rows = pictures([[2, 5, 0, 15, 15]])[0].sum(axis=1)
    lit = np.nonzero(rows)[0]
    assert rows[lit[-1]] <= 3 < rows[lit[0] + 2]


def test_first_and_last_orientation_are_one():
    assert np.array_equal(pictures([[2, 5, 0, 9, 9]]), pictures([[2, 5, 39, 9, 9]]))


def test_no_shape_is_cut_off():
    corners = [
        [shape, 5, turn, x, y]
        for shape in range(3) for turn in range(40) for x in (0, 31) for y in (0, 31)
    ]  # fmt: skip
    image = pictures(corners)
    edge = np.concatenate([image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1]], axis=1)
    assert not edge.any()


def test_positions_can_be_told_apart():
    image = pictures([[0, 0, 0, x, 0] for x in range(32)])
    assert len(np.unique(image, axis=0)) == 32


def test_in_a_graph():
    index = np.array([0, 5, 700_000])
    drawn = tf.function(sprites.images)(tf.constant(index))
    assert drawn.shape == (3, 64, 64, 1)
    assert drawn.dtype == tf.uint8
    assert np.array_equal(drawn.numpy(), sprites.images(index).numpy())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sprites.images([737_280]), "goes from 737280 to 737280"),
        (lambda: sprites.factors(-1), "goes from -1"),
        (lambda: sprites.factors(0.5), "give whole numbers"),
        (lambda: sprites.index([0, 0, 0, 0, 32]), "the factors of a sprite"),
        (lambda: sprites.index([0, 0, 0]), r"give \[..., 5\]"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(UserError, match=message):
        call()


def test_as_a_dataset():
    info = data.info("sprites")
    assert info.shape == (64, 64, 1)
    assert info.levels == 2
    assert info.classes == ("square", "ellipse", "heart")
    assert dict(info.factors) == sprites.FACTORS
    assert info.splits == {"train": 727_280, "test": 10_000, "all": 737_280}


def test_label_is_the_shape():
    """Told by the share of the bounding box that is lit: all of it for an upright square."""
    x, label = next(iter(data.load("sprites", "train[:500]", 500, labels=True)))
    assert np.all(np.bincount(label) > 120)
    reference = pictures([[shape, 5, 0, 15, 15] for shape in range(3)])
    drawn = x.numpy()[..., 0]
    for image, one in zip(drawn, label.numpy(), strict=True):
        rows, columns = np.nonzero(image)
        if image.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1):
            assert one == 0
    assert any(np.array_equal(image, reference[0]) for image in reference)


def test_a_slice_is_a_uniform_subset():
    """Each factor's values come equally often among the first 3000 (a chi-squared test each)."""
    read = data.sprite_source.SpriteSource(data.Request("sprites")).open(range(3000), labels=True)
    order = np.random.RandomState(0).permutation(sprites.NUM_IMAGES)[:3000]
    factors = sprites.factors(order)
    _, images, label = read(tf.range(16, dtype=tf.int64))
    assert np.array_equal(images.numpy(), sprites.images(order[:16]).numpy())
    assert np.array_equal(label.numpy(), factors[:16, 0])
    for column, size in enumerate(SIZES):
        counts = np.bincount(factors[:, column], minlength=size)
        expected = 3000 / size
        chi_squared = np.sum((counts - expected) ** 2 / expected)
        assert chi_squared < size - 1 + 5 * np.sqrt(2 * (size - 1))
