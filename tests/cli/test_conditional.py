"""A model of labels, from the command line: trained, evaluated, sampled."""

import json

import numpy as np
import pytest

SMALL = [
    "--config.recipe=conditional_vae",
    "--config.train_split=train[:256]",
    "--config.hidden=(8,)",
    "--config.latent_dim=2",
    "--config.batch_size=32",
    "--config.epochs=1",
    "--config.panels_every=1",
    "--config.evaluation.samples=2",
    "--config.evaluation.examples=20",
]


@pytest.mark.exhaustive
def test_trains_evaluates_and_samples_by_label(command, flagged, tmp_path, monkeypatch):
    train = command("train", "--config=default", "--workdir=run", *SMALL, cwd=tmp_path)
    assert train.code == 0, train.err
    assert "no panel" not in train.out + train.err
    run = tmp_path / "run"
    assert {path.stem for path in (run / "figures").iterdir()} == {
        *("reconstructions", "samples", "latent_plane", "traversals", "training_curves")
    }
    monkeypatch.chdir(tmp_path)
    evaluate = flagged("evaluate", "--workdir=run", "--samples=3", "--examples=20")
    assert not evaluate.code, evaluate.err
    assert json.loads((run / "evaluation.json").read_text())["samples"] == 3

    sample = ["sample", "--workdir=run", "--n=12"]
    for flags, labels in [([], [*range(10), 0, 1]), (["--label=3,5"], [3, 5] * 6)]:
        done = flagged(*sample, *flags, "--out=x.npz")
        assert not done.code, done.err
        arrays = np.load(tmp_path / "x.npz")
        assert arrays["labels"].tolist() == labels
        assert arrays["x"].shape == (12, 8, 8, 1)
    assert not flagged(*sample, "--out=x.png").code
    assert not flagged(*sample, "--label=3", "--out=three.png").code
    assert (tmp_path / "x.png").stat().st_size > 0
    done = flagged(*sample, "--label=10", "--out=y.npz")
    assert done.code == 1
    assert done.err.strip() == "error: --label=10: give labels from 0 to 9"
    assert flagged(*sample, "--label=three", "--out=y.npz").err.strip() == (
        "error: --label=three: give labels from 0 to 9"
    )
    assert not (tmp_path / "y.npz").exists()
