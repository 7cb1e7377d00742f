import pathlib
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tfvae import plots
from tfvae.errors import UserError


def test_a_file_has_the_figures_pixels(tmp_path, linear, digits):
    figure = plots.samples(linear(digits[0], 3), 4)
    path = plots.save(figure, tmp_path / "a" / "b" / "samples.png")
    np.testing.assert_array_equal(np.array(Image.open(path)), plots.to_image(figure))


def test_other_endings_are_refused(tmp_path, linear, digits):
    with pytest.raises(UserError, match="figures are written as PNG"):
        plots.save(plots.samples(linear(digits[0], 3), 4), tmp_path / "samples.jpg")


def test_no_global_state_is_read_or_changed(monkeypatch, tmp_path, linear, digits):
    x, y = digits
    vae = linear(x, 3)

    def draw():
        metrics = {"elbo": [-3.0, -2.0], "val_elbo": [-4.0, -3.0]}
        return [
            plots.to_image(figure)
            for figure in (
                plots.reconstructions(vae, x),
                plots.latent_plane(vae, x, y),
                plots.traversals(vae, x),
                plots.rate_bars(vae, x),
                plots.training_curves(metrics),
            )
        ]

    plain = draw()
    before = dict(mpl.rcParams)
    # An import of pyplot would now fail.
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for first, second in zip(plain, draw(), strict=True):
        np.testing.assert_array_equal(first, second)
    assert dict(mpl.rcParams) == before
    style = {"figure.dpi": 40, "font.size": 30, "image.interpolation": "bilinear"}
    style |= {"figure.facecolor": "black", "axes.facecolor": "black", "text.color": "red"}
    style |= {"axes.labelcolor": "red", "xtick.color": "red", "font.family": "serif"}
    style |= {"axes.grid": False, "lines.linewidth": 9.0, "axes.spines.left": False}
    with mpl.rc_context(style):
        for first, second in zip(plain, draw(), strict=True):
            np.testing.assert_array_equal(first, second)


def test_pyplot_is_imported_nowhere():
    # Keras imports it by itself, so that what is loaded says nothing.
    files = list(pathlib.Path(plots.__file__).parent.glob("*.py"))
    assert len(files) > 10
    assert [
        f.name for f in files if "import pyplot" in (text := f.read_text()) or "plt." in text
    ] == []


def test_a_link_in_the_place_of_a_figure_is_replaced(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "a.png").symlink_to(tmp_path / "precious")
    plots.save(Figure(), tmp_path / "a.png")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
