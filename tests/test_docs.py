"""The programs in the pages run as they stand."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import tfvae

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "adding_a_part.md").read_text("utf-8")


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """The names of the page's program, after it ran."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {"__name__": "adding_a_part"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        for number, block in enumerate(blocks):
            exec(compile(block, f"adding_a_part.md, block {number}", "exec"), names)
        assert Path("elbo.png").stat().st_size > 1000
    return names


def test_every_axis_has_a_row_and_a_program():
    rows = re.findall(r"^\| \[([\w ]+)\]\(#([\w-]+)\)", PAGE, re.MULTILINE)
    assert [name for name, _ in rows] == [
        *("objective", "prior", "head", "flow", "latent structure", "trunk", "recipe"),
        *("data set", "figure"),
    ]
    sections = {}
    for section in PAGE.split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        sections[re.sub(r"[^\w-]", "", title.lower().replace(" ", "-"))] = text
    assert all("```python" in sections[anchor] for _, anchor in rows)


def test_the_densities_of_the_page_are_densities(names):
    x = tf.linspace(-30.0, 30.0, 20001)[:, None]
    huber = names["HuberDistribution"](tf.constant([0.0, 0.5]), tf.constant([1.0, 0.4]), 1.3)
    np.testing.assert_allclose(tf.reduce_sum(huber.prob(x), 0) * 0.003, 1.0, rtol=1e-4)
    layer = names["SinhArcsinh"](1)
    for params in ([[0.3, 0.2, 0.5, -0.2]], [[-1.0, 0.0, -0.3, 0.3]]):
        total = tf.reduce_sum(tf.exp(layer(tf.constant(params)).log_prob(x[:, None]))) * 0.003
        np.testing.assert_allclose(total, 1.0, rtol=1e-3)
    draws = huber.sample(20000, seed=(0, 1)).numpy()
    probability = tf.reduce_sum(tf.where(x > 1.0, huber.prob(x), 0.0), 0) * 0.003
    error = np.sqrt(probability * (1 - probability) / 20000)
    assert (np.abs((draws > 1.0).mean(0) - probability) < 4 * error).all()


@pytest.mark.parametrize("model", ["robust", "flow", "vae"])
def test_the_parts_of_the_page_are_saved(names, model, tmp_path):
    vae, x = names[model], names["x"]
    vae.save(tmp_path / "model.keras")
    loaded = tfvae.load(tmp_path / "model.keras")
    np.testing.assert_array_equal(vae.elbo(x, seed=1), loaded.elbo(x, seed=1))
