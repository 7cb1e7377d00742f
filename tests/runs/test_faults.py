"""What goes wrong outside of the model: disks, folders, two at once, another configuration."""

import errno
import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.errors import UserError
from tfvae.files import system_error
from tfvae.runs import loop
from tfvae.runs.checkpoints import load_final
from tfvae.runs.lock import locked
from tfvae.runs.records import sealed, unsealed
from tfvae.runs.rows import read_metrics
from tfvae.runs.workdir import Workdir

ROOT = os.path.dirname(os.path.dirname(tfvae.__file__))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of an epoch; copied by the tests that go on with it."""
    return tmp_path_factory.mktemp("trained") / "run"


@pytest.fixture
def folder(tiny, train, trained, tmp_path):
    if not trained.exists():
        train(tiny(epochs=1, checkpoint_every="4 steps"), trained)
    return shutil.copytree(trained, tmp_path / "run")


def files(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_checkpoints_within_an_epoch(folder):
    names = {path.name for path in (folder / "checkpoints").iterdir()}
    steps = {f"step-{n:09d}.{ending}" for n in (4, 6) for ending in ("keras", "json")}
    assert names == {*steps, "best.keras", "best.json"}
    assert (
        int(tfvae.load(folder / "checkpoints" / "step-000000004.keras").optimizer.iterations) == 4
    )
    best = json.loads((folder / "checkpoints" / "best.json").read_text())
    (row,) = read_metrics(folder / "metrics.csv")
    assert best["val_elbo"] == pytest.approx(float(row["val_elbo"]), rel=1e-7)


def test_one_training_in_a_folder_at_a_time(folder, tiny, train):
    before = files(folder)
    with locked(folder / ".lock"):
        with pytest.raises(
            UserError, match=rf"trained in by process {os.getpid()} on .* wait"
        ) as e:
            train(tiny(), folder)
        assert "\n" not in str(e.value)
    assert {p: c for p, c in files(folder).items() if p.name != ".lock"} == {
        p: c for p, c in before.items() if p.name != ".lock"
    }


def test_a_dead_owner_holds_no_lock(tmp_path):
    program = (
        "import fcntl, os, sys, time\n"
        "from pathlib import Path\n"
        "from tfvae.runs.lock import locked\n"
        f"with locked(Path({str(tmp_path / '.lock')!r})):\n"
        "    print('held', flush=True); time.sleep(100)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ROOT},
    ) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match=f"process {process.pid}"), locked(tmp_path / ".lock"):
            pass
        process.kill()
    with locked(tmp_path / ".lock"):
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()


@pytest.mark.parametrize("kind", ["link", "dangling", "hard link", "fifo", "directory", "text"])
def test_a_lock_file_that_is_none_is_refused(kind, tmp_path):
    lock, other = tmp_path / ".lock", tmp_path / "precious"
    other.write_text("precious")
    if kind == "link":
        lock.symlink_to(other)
    elif kind == "dangling":
        lock.symlink_to(tmp_path / "new")
    elif kind == "hard link":
        lock.hardlink_to(other)
    elif kind == "fifo":
        os.mkfifo(lock)
    elif kind == "directory":
        lock.mkdir()
    else:
        lock.write_text("precious")
    refused = pytest.raises(UserError, match=r"\.lock' .* cannot be the run's lock file: remove it")
    with refused, locked(lock):
        pass
    assert other.read_text() == "precious"
    assert not (tmp_path / "new").exists()
    assert kind != "text" or lock.read_text() == "precious"


def test_a_damaged_file_of_a_complete_run_is_set_aside_and_made_anew(folder, tiny, train, result):
    config, before = tiny(epochs=1, checkpoint_every="4 steps"), result(folder)
    for name in ("model.keras", "evaluation.json", "metrics.csv", "times.csv"):
        path = folder / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-3])
        said = train(config, folder)
        aside = folder / f"{name}.damaged-1"
        assert aside.read_bytes() == whole[:-3]
        assert any(f"{name} is damaged (" in line for line in said)
        if name != "model.keras":  # the archive has the time in it
            assert path.read_bytes() == whole
    after = result(folder)
    assert after.rows == before.rows
    for one, other in zip(after.state, before.state, strict=True):
        np.testing.assert_array_equal(one, other)
    config_file = folder / "config.json"
    config_file.write_text(config_file.read_text().replace('"seed": 0', '"seed": 1'))
    for use in (lambda: train(config, folder), lambda: Workdir(folder).read_config()):
        with pytest.raises(UserError, match=r"config\.json' is damaged \(its checksum is another"):
            use()
    sums = folder / ".checksums.json"
    sums.write_text(sums.read_text().replace("model.keras", "model.kerax"))
    with pytest.raises(UserError, match=r"checksums\.json' is damaged .*: delete it"):
        load_final(Workdir(folder))


def test_a_run_goes_on_with_the_data_and_says_so_of_versions(folder, tiny, train, monkeypatch):
    facts = loop.facts_of_run
    monkeypatch.setattr(loop, "facts_of_run", lambda *a: {**facts(*a), "data": "1234567890"})
    with pytest.raises(UserError, match=r"the data of 'digits' .* is 12345678 and was .*override"):
        train(tiny(epochs=2), folder)
    other = {"versions": {**facts(tiny())["versions"], "keras": "99.0"}}
    monkeypatch.setattr(loop, "facts_of_run", lambda *a: {**facts(*a), **other})
    said = train(tiny(epochs=1, checkpoint_every="4 steps"), folder)
    assert any(f"keras is 99.0 and was {keras.__version__}" in line for line in said)


def test_another_configuration_is_refused_unless_told_to(folder, tiny, train, result):
    changed = tiny(epochs=2, learning_rate=0.02, batch_size=32)
    with pytest.raises(UserError, match=r"batch_size is 32 and was 16; learning_rate .*--override"):
        train(changed, folder)
    old = tfvae.load(folder / "checkpoints" / "step-000000006.keras")
    said = []
    loop.train_and_evaluate(
        changed, folder, strategy="one_device", override=True, verbose=0, say=said.append
    )
    assert "--override: learning_rate is 0.02 and was 0.001" in said
    # An epoch of six batches is one of three now; the step that schedules follow goes on.
    assert f"going on from {folder}/checkpoints/step-000000003.keras" in said
    done = result(folder)
    assert [row["epoch"] for row in done.rows] == ["1", "2"]
    assert int(done.vae.optimizer.iterations) == 6 + 3
    assert float(done.vae.optimizer.learning_rate) == pytest.approx(0.02)
    assert (done.vae.weights[0].numpy() != old.weights[0].numpy()).any()
    assert json.loads((folder / "config.json").read_text())["learning_rate"] == 0.02
    names = {path.name for path in (folder / "checkpoints").glob("step-*.keras")}
    assert names == {"step-000000003.keras", "step-000000006.keras"}  # none of the old numbering


def test_weights_of_another_shape_are_not_taken_over(folder, tiny):
    before = files(folder / "checkpoints")
    with pytest.raises(UserError, match=r"has the shape .* cannot be taken over") as error:
        loop.train_and_evaluate(
            tiny(latent_dim=5), folder, strategy="one_device", override=True, verbose=0
        )
    assert "\n" not in str(error.value)
    assert files(folder / "checkpoints") == before


def test_data_that_have_changed_below_a_run_are_refused(folder, tiny, train):
    for record in (folder / "checkpoints").glob("step-*.json"):
        record.write_text(sealed({**unsealed(record), "steps": 7}))
    with pytest.raises(UserError, match="has 6 batches and had 7: restore the data, or --override"):
        train(tiny(), folder)


FULL = """
import resource, sys
from tfvae.errors import UserError
from tfvae.runs import build, default_config, loop

config = default_config()
config.train_split, config.test_split = "train[:96]", "test[:40]"
config.batch_size, config.hidden, config.latent_dim = 16, (8,), 2
config.epochs, config.panels_every, config.steps_per_execution = 3, 0, 1
loop.draw_figures = lambda *args: []
begin = loop.Checkpoints.save

def save(self, vae, batches, **kwargs):
    if batches >= 12:  # the disk is full from the second checkpoint on
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
    begin(self, vae, batches, **kwargs)

if sys.argv[2] == "limit":
    loop.Checkpoints.save = save
try:
    loop.train_and_evaluate(config, sys.argv[1], strategy="one_device", verbose=0)
except UserError as error:
    print("REFUSED", error)
"""


@pytest.mark.parametrize("how", ["limit", "tmpfs"])
@pytest.mark.exhaustive
def test_a_full_disk_is_one_line_and_keeps_the_last_checkpoint(how, tiny, train, tmp_path):
    run, arguments = tmp_path / "run", [sys.executable, "-c", FULL, str(tmp_path / "run"), how]
    if how == "tmpfs":
        # A disk of its own, which is gone with the process.
        run.mkdir()
        mount = f'mount -t tmpfs -o size=220k tmpfs {run} || exit 77; "$@"'
        arguments = ["unshare", "-rm", "sh", "-c", mount, "sh", *arguments]
        if not shutil.which("unshare"):
            pytest.skip("no unshare")
    done = subprocess.run(
        arguments,
        env={**os.environ, "PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("no rights to mount")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("REFUSED")]
    reason = os.strerror(errno.ENOSPC if how == "tmpfs" else errno.EFBIG)
    assert f"cannot write to --workdir={str(run)!r} ({reason}): " in line
    assert "step-0000000" in line
    assert "is whole, and the same command goes on" in line
    if how == "tmpfs":
        return
    assert "step-000000006.keras" in line
    names = {path.name for path in (run / "checkpoints").iterdir()}
    assert {n for n in names if n.startswith("step")} == {"step-000000006.keras",
                                                         "step-000000006.json"}  # fmt: skip
    # With room again, the same configuration goes on.
    said = train(tiny(evaluation__samples=100, evaluation__examples=1000), run)
    assert said[0].startswith("going on from")
    assert len(read_metrics(run / "metrics.csv")) == 3


def test_what_the_system_said_is_found_behind_other_errors():
    def as_zipfile_does():
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            raise ValueError("cannot close the archive")  # noqa: B904

    with pytest.raises(ValueError, match="archive") as error:
        as_zipfile_does()
    assert system_error(error.value) == os.strerror(errno.ENOSPC)
    assert system_error(ValueError("no file of a disk")) is None


def test_a_truncated_image_is_refused_or_left_out(tiny, train, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(60):
        image = rng.integers(0, 256, (4, 4, 1), dtype=np.uint8)
        (folder / f"{number:02d}.png").write_bytes(tf.io.encode_png(image).numpy())
    bad = folder / "31.png"
    bad.write_bytes(bad.read_bytes()[:40])
    fields = {
        "dataset": f"images:{folder}", "train_split": "all", "test_split": "all[:20]", "epochs": 1,
        "binarization": "threshold",
    }  # fmt: skip
    with pytest.raises(UserError, match=r"31\.png cannot be decoded") as error:
        train(tiny(fields), tmp_path / "run")
    assert "\n" not in str(error.value)
    said = train(tiny(fields, damaged="skip"), tmp_path / "other")
    assert said[0] == f"1 damaged examples of images:{folder} are left out"
    assert len(read_metrics(tmp_path / "other" / "metrics.csv")) == 1
