import numpy as np

from tfvae import plots
from tfvae.plots.gallery import image_gallery


def test_tiles_are_where_they_should_be():
    images = np.arange(5)[:, None, None, None] / 10 + np.zeros([5, 2, 3, 1])
    whole = plots.tile(images, columns=2, gap=1, group=2, group_gap=3)
    assert whole.shape == (2 + 1 + 2 + 3 + 2, 3 + 1 + 3, 1)
    expected = np.ones([10, 7], np.float32)
    expected[0:2, 0:3], expected[0:2, 4:7] = 0.0, 0.1
    expected[3:5, 0:3], expected[3:5, 4:7] = 0.2, 0.3
    expected[8:10, 0:3] = 0.4
    np.testing.assert_allclose(whole[..., 0], expected)


def test_a_gallery_shows_each_pixel_as_a_square_of_whole_pixels():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 255, [6, 8, 8, 3])
    figure = image_gallery(values / 255, "title", columns=3, row_labels=["a", "a long label"])
    drawn = plots.to_image(figure)[..., :3]
    large = plots.tile((values / 255).repeat(10, 1).repeat(10, 2), columns=3, gap=4)
    large = np.round(large * 255).astype(int)
    # Found from its first image's corner, it is there to the pixel.
    height, width = large.shape[:2]
    box = figure.axes[0].get_window_extent()
    left, top = round(box.x0), round(len(drawn) - box.y1)
    found = drawn[top : top + height, left : left + width].astype(int)
    assert np.abs(found - large).max() <= 1


def test_nothing_is_cut_off():
    figure = image_gallery(
        np.zeros([2, 8, 8, 3]),
        "a title much wider than two small images could ever be",
        columns=1,
        row_labels=["a long label of a row", "b"],
        column_labels=["0"],
        xlabel="a label of the axis that is wider than the column",
    )
    drawn = plots.to_image(figure)
    edges = [drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]]
    assert all((edge == 255).all() for edge in edges)
    box = figure.bbox
    for text in figure.axes[0].texts:
        extent = text.get_window_extent()
        assert min(extent.x0, extent.y0) >= 0, text
        assert min(box.x1 - extent.x1, box.y1 - extent.y1) >= 0, text


def test_large_images_make_a_denser_figure_of_the_same_size():
    small = image_gallery(np.zeros([4, 32, 32, 3]), "t", columns=2)
    large = image_gallery(np.zeros([4, 256, 256, 3]), "t", columns=2)
    assert 150 <= small.dpi < 180
    assert plots.to_image(large).shape[1] > 512
    assert large.get_size_inches()[0] < 1.2 * small.get_size_inches()[0]
