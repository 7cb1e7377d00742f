import errno
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


def best_of(batches, elbo):
    return {"batches": batches, "val_elbo": elbo}


def test_the_best_is_kept_and_is_not_what_a_run_finds_again(vae, kept):
    kept.save(vae, 5, best=best_of(5, -70.5))
    kept.save_best(vae, 5, -70.5)
    kept.save(vae, 10, best=best_of(10, -60.5))
    kept.save_best(vae, 10, -60.5)
    assert kept.restore_best(kept.restore()) == best_of(10, -60.5)
    for batches in (15, 20):
        kept.save(vae, batches, best=best_of(10, -60.5))
    assert names(kept) == sorted([*pair(15, 20), "best.json", "best.keras"])
    assert kept.restore_best(kept.restore()) == best_of(10, -60.5)
    assert isinstance(tfvae.load(kept.best), tfvae.VAE)
    # Of a later batch: the run comes to it once more.
    kept.save_best(vae, 25, -50.5)
    assert kept.restore_best(kept.restore()) == best_of(10, -60.5)
    content = kept.best.read_bytes()[:-1]
    kept.best.write_bytes(content)
    said = []
    assert kept.restore_best(kept.restore(), said.append) is None
    (line,) = said
    assert "best.keras is damaged (its checksum is another): and is now best.keras.dam" in line
    assert kept.best.with_name("best.keras.damaged-1").read_bytes() == content


def test_the_best_that_a_kill_left_out_is_made_of_the_checkpoint(vae, kept):
    kept.save_best(vae, 5, -70.5)
    kept.save(vae, 10, best=best_of(10, -60.5))  # and the kill
    restored = kept.restore()
    assert kept.restore_best(restored) == best_of(10, -60.5)
    assert kept.best.read_bytes() == kept.workdir.checkpoint(10).read_bytes()
    assert kept.restore_best(restored) == best_of(10, -60.5)


def test_a_record_is_data(vae, kept):
    kept.save(vae, 5, skipped=3)
    record = json.loads(kept.workdir.checkpoint(5).with_suffix(".json").read_text())
    assert set(record) == {"batches", "steps", "skipped", "rest", "sha256", "record_sha256"}


def test_a_checkpoint_under_the_name_of_another_step_is_not_believed(vae, kept):
    kept.save(vae, 5)
    kept.save(vae, 10)
    for ending in ("keras", "json"):
        newest = kept.workdir.checkpoint(10).with_suffix(f".{ending}")
        newest.rename(kept.workdir.checkpoint(15).with_suffix(f".{ending}"))
    said = []
    assert kept.restore(said.append).batches == 5
    (line,) = said
    assert "step-000000015.keras is damaged (it was written after 10 batches, not 15)" in line


@pytest.mark.parametrize("kind", ["directory", "fifo", "dangling"])
def test_what_is_no_file_is_no_checkpoint(kind, vae, kept):
    kept.save(vae, 5)
    other = kept.workdir.checkpoint(10)
    if kind == "directory":
        other.mkdir()
    elif kind == "fifo":
        os.mkfifo(other)
    else:
        other.symlink_to("nowhere")
    with pytest.raises(UserError, match=r"step-000000005\.keras is whole"), kept.workdir.writing():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    said = []
    assert kept.restore(said.append).batches == 5
    assert len(said) == 1
    assert not os.path.lexists(other)
    kept.save(vae, 10)
    assert kept.restore(said.append).batches == 10


# Records that are JSON, and not what was written.
RECORDS = {
    "deep": "[" * 100_000,
    "binary": b"\xff\xfe\x00",
    "list": "[]",
    "no record": "{}",
    "another number": ('"skipped": 0', '"skipped": 9'),
    "of another step": ('"batches": 10', '"batches": 11'),
    "another metric": ('"rest": [', '"rest": [7, '),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_damaged_record_is_not_believed(name, vae, kept):
    kept.save(vae, 5, skipped=0)
    kept.save(vae, 10, skipped=0)
    record, how = kept.workdir.checkpoint(10).with_suffix(".json"), RECORDS[name]
    if isinstance(how, tuple):
        text = record.read_text()
        assert how[0] in text
        how = text.replace(*how)
    record.write_bytes(how if isinstance(how, bytes) else how.encode())
    said = []
    assert kept.restore(said.append).batches == 5
    (line,) = said
    assert "\n" not in line
    assert "step-000000010.keras is damaged (the record beside it: " in line
    assert {"step-000000010.keras.damaged-1", "step-000000010.json.damaged-1"} <= set(names(kept))


def test_a_run_that_is_not_through_has_no_model(kept):
    with pytest.raises(MissingFileError, match=r"no model\.keras yet"):
        load_final(kept.workdir)


@pytest.mark.parametrize("batches", [10, 5])
def test_a_best_model_that_a_kill_left_behind_its_record_is_not_damaged(vae, kept, batches):
    kept.save(vae, 5, best=best_of(5, -70.5))
    kept.save_best(vae, 5, -70.5)
    first = kept.best.read_bytes()
    vae.decoder.projection.bias.assign(vae.decoder.projection.bias + 1.0)
    kept.save(vae, 10, best=best_of(10, -60.5))
    kept.save_best(vae, 10, -60.5)
    assert kept.best.read_bytes() != first
    kept.best.write_bytes(first)  # the record is of the second one: here fell the kill
    if batches == 5:  # and the run goes on from the checkpoint before
        kept.workdir.checkpoint(10).unlink()
    expected, said = {5: best_of(5, -70.5), 10: best_of(10, -60.5)}[batches], []
    for _ in range(2):
        assert kept.restore_best(kept.restore(), said.append) == expected
    assert said == []
    assert kept.best.read_bytes() == kept.workdir.checkpoint(batches).read_bytes()
    assert not list(kept.workdir.checkpoints.glob("*damaged*"))
