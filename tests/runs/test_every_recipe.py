"""What `--config.recipe=NAME` does, for every name: trained, evaluated, drawn, not a warning.

And the same once more, cut off twice, which ends bit for bit as the run that was not.
"""

import json
import warnings

import keras
import numpy as np
import pytest
from absl import logging

import tfvae
from tfvae import recipes
from tfvae.runs import loop
from tfvae.runs.callbacks import EpochOfData
from tfvae.runs.rows import read_metrics
from tfvae.runs.signals import Interrupted

FIGURES = {"reconstructions", "samples", "training_curves"}
OF_NUMBERS = {"latent_plane", "traversals"}
# Figures follow from the latent structure and the context: one recipe of each kind draws them.
DRAWN = ("vae", "conditional_vae", "two_layer_vae", "ladder_vae", "vdvae", "vq_vae")


@pytest.fixture
def tiny(tiny):
    """A configuration of two epochs of two steps each."""
    small = {
        "train_split": "train[:16]",
        "test_split": "test[:8]",
        "batch_size": 8,
        "epochs": 2,
        "evaluation.examples": 4,
        "vdvae.filters": 4,
        "vq_vae.prior_steps": 1,
        "residual_vq_vae.prior_steps": 1,
        "fsq_vae.prior_steps": 1,
        "lfq_vae.prior_steps": 1,
        "pixel_vae.prior_steps": 1,
        "vamp_vae.pseudo_inputs": 4,
        "hvae.steps": 1,
        "rhvae.steps": 1,
        "rhvae.iterations": 1,
        "exemplar_vae.exemplars": 4,
        "fit_prior_steps": 2,
    }
    return lambda name: tiny({**small, "panels_every": int(name == "vq_vae")}, recipe=name)


def arrays(workdir):
    """All that `model.keras` holds, by path."""
    vae = tfvae.load(workdir / "model.keras")
    own = getattr(getattr(vae.objective, "optimizer", None), "variables", ())
    return [(v.path, v.numpy()) for v in (*vae.weights, *vae.optimizer.variables, *own)]


def cut_off_twice(config, workdir, whole, stop_after, monkeypatch):
    """Trains within an epoch, on to the end of the training, and on to the end of the run.

    Only what every run does at its end is left out, the figures: they depend on the weights alone.
    """

    def train():
        keras.utils.set_random_seed(99)  # another process: whatever draws from there would differ
        loop.train_and_evaluate(
            config, workdir, strategy="one_device", verbose=0, say=lambda line: None
        )

    class Killed(BaseException):
        pass

    def kill(*args, **kwargs):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loop, "draw_figures", lambda *args: [])
        stop_after(3)
        with pytest.raises(Interrupted):
            train()
        patch.setattr(loop, "EpochOfData", EpochOfData)
        evaluate = loop.evaluate_likelihood
        patch.setattr(loop, "evaluate_likelihood", kill)
        with pytest.raises(Killed):
            train()
        assert not (workdir / "evaluation.json").exists()
        patch.setattr(loop, "evaluate_likelihood", evaluate)
        train()
    one, other = arrays(whole), arrays(workdir)
    assert len(one) == len(other) > 4
    for (path, a), (_, b) in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=path)
    assert read_metrics(workdir / "metrics.csv") == read_metrics(whole / "metrics.csv")
    name = "evaluation.json"
    assert json.loads((workdir / name).read_text()) == json.loads((whole / name).read_text())


@pytest.mark.parametrize("name", recipes.names())
@pytest.mark.usefixtures("eager")
@pytest.mark.representatives("vae", "factor_vae", "geco_vae", "two_layer_vae")
def test_it_trains_and_is_resumed_bit_for_bit(name, tiny, tmp_path, stop_after, monkeypatch):
    said, warned = [], []
    monkeypatch.setattr(logging, "warning", lambda *words: warned.append(words))
    config, cut = tiny(name), tmp_path / "cut"
    tmp_path /= "whole"
    if name not in DRAWN:
        monkeypatch.setattr(loop, "draw_figures", lambda *args: [])
    with warnings.catch_warnings():
        for category in (UserWarning, RuntimeWarning):
            warnings.simplefilter("error", category)
        warnings.filterwarnings("ignore", ".*does not apply to tf.data functions")
        loop.train_and_evaluate(config, tmp_path, strategy="one_device", verbose=0, say=said.append)
    assert not warned
    table = json.loads((tmp_path / "evaluation.json").read_text())
    without = "energy" if "energy" in table else "distortion"
    assert np.isfinite(table[without if table["log_prob_kind"] == "none" else "log_prob"])
    if name in DRAWN:
        figures = {path.stem for path in (tmp_path / "figures").iterdir()}
        assert figures == FIGURES | (set() if name == "vq_vae" else OF_NUMBERS)
    vae = tfvae.load(tmp_path / "model.keras")
    context = np.arange(3) if recipes.takes_labels(name) else None
    assert np.isfinite(vae.sample(3, context=context)).all()
    if name == "factor_vae":
        assert "discriminator_loss" in (tmp_path / "metrics.csv").read_text()
    cut_off_twice(config, cut, tmp_path, stop_after, monkeypatch)
