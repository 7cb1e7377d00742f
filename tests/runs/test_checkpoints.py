import json
import os

import keras
import numpy as np
import pytest

import tfvae
from tfvae.errors import MissingFileError, UserError
from tfvae.runs.build import build_model
from tfvae.runs.checkpoints import Checkpoints, load_final
from tfvae.runs.workdir import Workdir


@pytest.fixture(scope="module")
def vae():
    config = tfvae.runs.default_config()
    config.hidden, config.latent_dim = (4,), 2
    made = build_model(config)
    made.optimizer.build(made.trainable_variables)
    return made


@pytest.fixture
def kept(tmp_path):
    folder = Workdir(tmp_path)
    folder.checkpoints.mkdir()
    return Checkpoints(folder, keep=2, steps=5)


def names(kept):
    return sorted(path.name for path in kept.workdir.checkpoints.iterdir())


def pair(*batches):
    return sorted(f"step-{n:09d}.{ending}" for n in batches for ending in ("json", "keras"))


def test_the_newest_are_kept_and_the_newest_is_loaded(vae, kept):
    for batches in (5, 900, 10**10):  # more digits than the name is padded to
        vae.optimizer.iterations.assign(batches)
        kept.save(vae, batches)
    assert names(kept) == pair(900, 10**10)
    restored = kept.restore()
    assert restored.batches == int(restored.vae.optimizer.iterations) == 10**10
    assert restored.record["steps"] == 5
    kept.keep = 1
    kept.save(vae, 10**10 + 1)
    assert names(kept) == pair(10**10 + 1)
    assert Checkpoints(Workdir(kept.workdir.path / "nothing")).restore() is None


def test_nothing_half_written_stays_or_counts(vae, kept, monkeypatch):
    kept.save(vae, 5)

    def cut_off(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", cut_off)
        with pytest.raises(KeyboardInterrupt):
            kept.save(vae, 6)
    assert names(kept) == pair(5)
    assert kept.restore().batches == 5
    # As SIGKILL leaves them: between the record and the model, and within either.
    (kept.workdir.checkpoints / "step-000000006.json").write_text("{}")
    (kept.workdir.checkpoints / "part-step-000000006.keras").write_bytes(b"half")
    assert kept.restore().batches == 5
    kept.save(vae, 7)
    assert names(kept) == pair(5, 7)


def middle(data):
    half = len(data) // 2
    return data[:half] + bytes(b ^ 255 for b in data[half : half + 400]) + data[half + 400 :]


def one_bit(data):
    return data[:-300] + bytes([data[-300] ^ 1]) + data[-299:]


DAMAGES = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "cut at the end": lambda data: data[:-10],
    "no zip": lambda data: b"\n".join([b"not a model"] * 100),
    "wrong bytes": middle,
    "one bit": one_bit,
}


@pytest.mark.parametrize("ending", ["keras", "json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_falls_back_to_the_one_before(damage, ending, vae, kept):
    if ending == "json" and damage not in ("empty", "cut"):
        pytest.skip("a record of a few bytes")
    kept.save(vae, 5)
    kept.save(vae, 10)
    newest = kept.workdir.checkpoint(10).with_suffix(f".{ending}")
    newest.write_bytes(DAMAGES[damage](newest.read_bytes()))
    said = []
    restored = kept.restore(said.append)
    assert restored.batches == 5
    (line,) = said
    assert line.startswith(f"{kept.workdir.checkpoint(10)} is damaged (")
    for one, other in zip(restored.vae.weights, vae.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    oldest = kept.workdir.checkpoint(5)
    oldest.write_bytes(DAMAGES[damage](oldest.read_bytes()))
    with pytest.raises(UserError, match=r"no checkpoint .* delete the folder") as error:
        kept.restore(said.append)
    assert "\n" not in str(error.value)


def test_metrics_and_seeds_are_kept_bit_for_bit(make_vae, kept):
    encoder = keras.Sequential(
        [
            keras.Input((3, 2, 1)),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5, seed=3),
            keras.layers.Dense(4),
            tfvae.layers.IndependentNormal(2),
        ]
    )
    vae = tfvae.VAE(encoder, make_vae().decoder)
    vae.build((None, 3, 2, 1))
    vae.compile("adam")
    rng = np.random.default_rng(0)
    for variable in vae.terms.variables:
        variable.assign(rng.normal(size=variable.shape))
    (state,) = [v for v in vae.variables if "seed_generator" in v.path]
    state.assign([7, 2**32 - 1])
    kept.save(vae, 7)
    other = kept.restore().vae
    for one, two in zip(other.terms.variables, vae.terms.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())
    (state,) = [v for v in other.variables if "seed_generator" in v.path]
    assert state.numpy().tolist() == [7, 2**32 - 1]


def test_the_best_is_kept_and_is_not_what_a_run_finds_again(vae, kept):
    assert kept.best_elbo(10) == -np.inf
    kept.save_best(vae, 5, -70.5)
    kept.save(vae, 10)
    kept.save_best(vae, 10, -60.5)
    for batches in (15, 20):
        kept.save(vae, batches)
    assert names(kept) == sorted([*pair(15, 20), "best.json", "best.keras"])
    assert kept.best_elbo(10) == -60.5
    assert kept.best_elbo(9) == -np.inf  # of a later batch: the run comes to it once more
    assert isinstance(tfvae.load(kept.best), tfvae.VAE)
    kept.best.write_bytes(kept.best.read_bytes()[:-1])
    assert kept.best_elbo(10) == -np.inf


def test_a_record_is_data(vae, kept):
    kept.save(vae, 5)
    record = json.loads(kept.workdir.checkpoint(5).with_suffix(".json").read_text())
    assert set(record) == {"batches", "steps", "skipped", "rest", "sha256"}


def test_a_run_that_is_not_through_has_no_model(kept):
    with pytest.raises(MissingFileError, match=r"no model\.keras yet"):
        load_final(kept.workdir)
