"""What `--config.recipe=NAME` does, for every name: trained, evaluated, drawn, not a warning."""

import json
import warnings

import numpy as np
import pytest
from absl import logging

import tfvae
from tfvae import recipes
from tfvae.runs import loop

FIGURES = {"reconstructions", "samples", "training_curves"}
OF_NUMBERS = {"latent_plane", "traversals"}


@pytest.fixture
def tiny(tiny):
    """A configuration of one step and one epoch, of small networks."""
    small = {
        "train_split": "train[:16]",
        "test_split": "test[:16]",
        "epochs": 1,
        "evaluation.examples": 4,
        "vdvae.filters": 4,
        "vq_vae.prior_steps": 1,
        "vamp_vae.pseudo_inputs": 4,
    }
    return lambda name: tiny({**small, "panels_every": int(name == "vq_vae")}, recipe=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", recipes.names())
@pytest.mark.usefixtures("eager")
def test_it_trains(name, tiny, tmp_path, monkeypatch):
    said, warned = [], []
    monkeypatch.setattr(logging, "warning", lambda *words: warned.append(words))
    config = tiny(name)
    with warnings.catch_warnings():
        for category in (UserWarning, RuntimeWarning):
            warnings.simplefilter("error", category)
        warnings.filterwarnings("ignore", ".*does not apply to tf.data functions")
        loop.train_and_evaluate(config, tmp_path, strategy="one_device", verbose=0, say=said.append)
    assert not warned
    assert np.isfinite(json.loads((tmp_path / "evaluation.json").read_text())["log_prob"])
    figures = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert figures == FIGURES | (set() if name == "vq_vae" else OF_NUMBERS)
    vae = tfvae.load(tmp_path / "model.keras")
    context = np.arange(3) if recipes.takes_labels(name) else None
    assert np.isfinite(vae.sample(3, context=context)).all()
    if name == "factor_vae":
        assert "discriminator_loss" in (tmp_path / "metrics.csv").read_text()
