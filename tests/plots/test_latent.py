import numpy as np
import pytest
import scipy.spatial.distance
from matplotlib.colors import to_rgb

from tfvae import plots
from tfvae.errors import UserError
from tfvae.plots.principal import principal_plane
from tfvae.plots.style import CLASSES


def drawn_points(figure):
    return np.asarray(figure.axes[0].collections[0].get_offsets())


def assert_same_points(one, other):
    """In any order: each has one of the other beside it."""
    apart = scipy.spatial.distance.cdist(one, other)
    assert one.shape == other.shape
    assert max(apart.min(0).max(), apart.min(1).max()) < 1e-3 * np.abs(other).max()


def test_the_plane_is_that_of_the_largest_variance():
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=[5, 5]))[0]
    scores = rng.normal(size=[4000, 5]) * [5.0, 3.0, 1.0, 0.5, 0.1]
    plane, shares = principal_plane(scores @ rotation.T + 7.0)
    eigenvalues = np.linalg.eigvalsh(np.cov(scores.T))[::-1]
    np.testing.assert_allclose(plane.var(0, ddof=1), eigenvalues[:2], rtol=1e-6)
    np.testing.assert_allclose(shares, eigenvalues[:2] / eigenvalues.sum(), rtol=1e-6)
    assert np.abs(np.corrcoef(plane[:, 0], scores[:, 0])[0, 1]) > 0.99


@pytest.mark.parametrize("points", [np.ones([5, 3]), np.ones([1, 3])], ids=["collapsed", "one"])
def test_a_collapsed_posterior_has_no_plane_and_is_no_error(points):
    plane, shares = principal_plane(points)
    np.testing.assert_array_equal(plane, np.zeros([len(points), 2]))
    np.testing.assert_array_equal(shares, [0, 0])


def test_two_dimensions_are_drawn_as_they_are(linear, digits):
    x, y = digits
    vae = linear(x, 2)
    figure = plots.latent_plane(vae, x, y)
    means = vae.encode(x).mean().numpy()
    assert_same_points(drawn_points(figure), means)
    assert figure.axes[0].get_xlabel() == "z[0]"


def test_more_dimensions_are_projected_and_say_how_much_is_seen(linear, digits):
    x, y = digits
    vae = linear(x, 6)
    figure = plots.latent_plane(vae, x, y)
    plane, shares = principal_plane(vae.encode(x).mean().numpy())
    assert_same_points(drawn_points(figure), plane)
    assert f"{shares[1]:.1%}" in figure.axes[0].get_ylabel()


def test_points_have_the_colour_of_their_class(linear, digits):
    x, y = digits
    vae = linear(x, 2)
    dots = plots.latent_plane(vae, x, y).axes[0].collections[0]
    means = vae.encode(x).mean().numpy()
    for point, colour in list(zip(dots.get_offsets(), dots.get_facecolors(), strict=True))[:50]:
        nearest = np.abs(means - point).sum(1).argmin()
        np.testing.assert_allclose(colour[:3], to_rgb(CLASSES[y[nearest]]), atol=1e-6)


def legend_of(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_classes_are_named(linear, digits):
    x, y = digits
    vae = linear(x, 2)
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    some = np.isin(y, [1, 4])
    assert legend_of(plots.latent_plane(vae, x, y)) == [str(d) for d in range(10)]
    assert legend_of(plots.latent_plane(vae, x[some], y[some], names=words)) == ["one", "four"]
    texts = np.array(words)[y[some]]
    assert legend_of(plots.latent_plane(vae, x[some], texts)) == ["four", "one"]


def test_values_have_a_colour_scale(linear, digits):
    x, _ = digits
    figure = plots.latent_plane(linear(x, 2), x, x.mean((1, 2, 3)))
    assert len(figure.axes) == 2
    assert figure.axes[0].get_legend() is None


def test_one_dimension_is_counted(linear, digits):
    x, y = digits
    vae = linear(x, 1)
    figure = plots.latent_plane(vae, x)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == len(x)
    figure = plots.latent_plane(vae, x, y)
    highest = int(figure.axes[0].get_ylabel().rstrip(")").split()[-1])
    for row, label in zip(figure.axes[0].patches, range(10), strict=True):
        heights = (row.get_data().values - row.get_data().baseline) * highest / 0.9
        assert round(heights.sum()) == (y == label).sum()


def test_labels_of_another_length_are_refused(linear, digits):
    x, y = digits
    vae = linear(x, 2)
    with pytest.raises(UserError, match="labels has 10 entries and x has 20"):
        plots.latent_plane(vae, x[:20], y[:10])
    with pytest.raises(UserError, match="give one label an example"):
        plots.latent_plane(vae, x[:20], np.eye(10)[y[:20]])
    with pytest.raises(UserError, match="names has 3 entries for the 10 classes"):
        plots.latent_plane(vae, x, y, names=["a", "b", "c"])
