"""The examples in the docstrings run, and print what they say."""

import doctest
import importlib
import pkgutil

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae


def examples():
    """The docstrings with examples, by the name of what they stand in."""
    finder, found = doctest.DocTestFinder(recurse=True), {}
    for module in pkgutil.walk_packages(tfvae.__path__, "tfvae."):
        if module.name.startswith("tfvae.cli."):
            continue
        module = importlib.import_module(module.name)
        found |= {test.name: test for test in finder.find(module) if test.examples}
    return found


EXAMPLES = examples()


class PrintedOnly(doctest.OutputChecker):
    """Compares what an example prints where the docstring prints it."""

    def check_output(self, want, got, optionflags):
        return not want or super().check_output(want, got, optionflags)


@pytest.fixture(scope="module")
def names():
    """What the examples take for granted.

    The libraries by their usual names, the public names of the rooms, a small model of the digits,
    and data: data sets, the arrays that they are made of, and a batch.
    """
    keras.utils.set_random_seed(0)
    train = tfvae.data.load("digits", split="train", batch_size=128)
    test = tfvae.data.load("digits", split="test", batch_size=128)
    vae = tfvae.recipes.vae((8, 8, 1), latent_dim=2, hidden=(16,))
    vae.compile("adam")
    vae.build((None, 8, 8, 1))
    rooms = ("layers", "networks", "priors", "latents", "objectives", "losses", "plots", "data")
    public = {
        name: getattr(room, name)
        for room in (importlib.import_module(f"tfvae.{room}") for room in rooms)
        for name in room.__all__
    }
    x_train = np.concatenate([np.uint8(255 * batch.numpy()) for batch in train])
    return {
        **public,
        "keras": keras,
        "np": np,
        "tf": tf,
        "tfp": tfp,
        "tfvae": tfvae,
        "tfd": tfp.distributions,
        "vae": vae,
        "train": train,
        "test": test,
        "x": next(iter(test)),
        "x_train": x_train[:100],
        "x_test": x_train[100:150],
        "y": np.arange(128) % 3,
        "y_train": np.arange(100) % 10,
        "epoch": 0,
        "encoder": vae.encoder,
        "decoder": vae.decoder,
        "figure": tfvae.plots.samples(vae),
    }


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.usefixtures("no_tpu")
def test_an_example_runs_as_printed(name, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    test = EXAMPLES[name]
    test.globs = {**test.globs, **{k: v for k, v in names.items() if k not in test.globs}}
    said = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(PrintedOnly(), optionflags=flags)
    result = runner.run(test, out=said.append, clear_globs=False)
    assert not result.failed, "".join(said)
