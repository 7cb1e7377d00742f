import os

import numpy as np
import pytest

import tfvae
from tfvae.errors import MissingFileError, UserError
from tfvae.training.build import build_model
from tfvae.training.checkpoints import load_final, restore, restore_terms, save, save_terms
from tfvae.training.workdir import Workdir


@pytest.fixture(scope="module")
def vae():
    config = tfvae.training.default_config()
    config.hidden, config.latent_dim = (4,), 2
    made = build_model(config)
    made.optimizer.build(made.trainable_variables)
    return made


@pytest.fixture
def folder(tmp_path):
    folder = Workdir(tmp_path)
    folder.checkpoints.mkdir()
    return folder


def names(folder):
    return sorted(path.name for path in folder.checkpoints.iterdir())


def test_the_newest_two_are_kept_and_the_newest_is_loaded(vae, folder):
    for batches in (5, 900, 10**10):  # more digits than the name is padded to
        vae.optimizer.iterations.assign(batches)
        save(vae, folder, batches)
    assert [batches for batches, _ in folder.saved()] == [900, 10**10]
    loaded, batches = restore(folder)
    assert batches == int(loaded.optimizer.iterations) == 10**10
    assert restore(Workdir(folder.path / "nothing")) == (None, 0)


def test_nothing_half_written_stays_or_counts(vae, folder, monkeypatch):
    save(vae, folder, 5)

    def cut_off(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", cut_off)
        with pytest.raises(KeyboardInterrupt):
            save(vae, folder, 6)
    assert [batches for batches, _ in folder.saved()] == [5]
    assert restore(folder)[1] == 5
    save(vae, folder, 7)
    assert names(folder) == ["step-000000005.keras", "step-000000007.keras"]


def middle(data):
    half = len(data) // 2
    return data[:half] + bytes(b ^ 255 for b in data[half : half + 400]) + data[half + 400 :]


DAMAGES = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "cut at the end": lambda data: data[:-10],
    "no zip": lambda data: b"\n".join([b"not a model"] * 100),
    "wrong bytes": middle,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_falls_back_to_the_one_before(damage, vae, folder):
    save(vae, folder, 5)
    save(vae, folder, 10)
    newest = folder.checkpoint(10)
    newest.write_bytes(DAMAGES[damage](newest.read_bytes()))
    loaded, batches = restore(folder)
    assert batches == 5
    for one, other in zip(loaded.weights, vae.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    oldest = folder.checkpoint(5)
    oldest.write_bytes(DAMAGES[damage](oldest.read_bytes()))
    with pytest.raises(UserError, match=r"no checkpoint .* delete the folder") as error:
        restore(folder)
    assert "\n" not in str(error.value)


def test_metrics_within_an_epoch_are_kept_bit_for_bit(vae, folder):
    values = [np.random.default_rng(0).normal(size=5).astype(np.float32) for _ in range(2)]
    for variable, value in zip(vae.terms.variables, values, strict=True):
        variable.assign(value)
    save_terms(vae, folder, 5)
    save(vae, folder, 5)
    for one, other in zip(restore_terms(folder, 5), values, strict=True):
        np.testing.assert_array_equal(one, other)
    assert restore_terms(folder, 6) == []
    save(vae, folder, 10)
    save(vae, folder, 15)
    assert names(folder) == ["step-000000010.keras", "step-000000015.keras"]


def test_a_run_that_is_not_through_has_no_model(folder):
    with pytest.raises(MissingFileError, match=r"no model\.keras yet"):
        load_final(folder)
