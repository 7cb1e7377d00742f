import json
import os

import numpy as np
import pytest

from tfvae.runs import default_config
from tfvae.runs.workdir import Workdir


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--config=test", "--config.epoch=3"], ["'epoch'", "'epochs'"]),
        (["--config=test", "--config.conv.filtrs=3"], ["'filtrs'", "'filters'"]),
        (["--config=test", "--config.batch-size=3"], ["batch"]),
        (["--config=test", "--worksdir=x"], ["worksdir", "workdir"]),
        (["--config=digts"], ["'digts'", "'digits'"]),
        (["--config", "digts"], ["'digts'", "'digits'"]),
        (["--config=configs/mnits.py"], ["configs/mnits.py", "'mnist'"]),
        (["--config=elsewhere/mnist.py"], ["elsewhere/mnist.py"]),
        (["--config=test", "--config.epochs=many"], ["epochs", "many"]),
        (["--config=test", "--config.epochs=2.5"], ["epochs", "2.5"]),
        (["--config=test", "runs/a"], ["runs/a"]),
        (["--config=test", "--strategy=miror"], ["miror", "did you mean 'mirrored'"]),
        (["--config=test", "--strategy=tpu"], ["TPU"]),
        (["--config=test", "--strategy=multi_worker"], ["multi_worker", "TF_CONFIG"]),
        (["--config=test", "--config.xla=true", "--strategy=mirrored"], ["xla", "one_device"]),
        (["--config=test", "--config.dataset=mnits"], ["mnits", "did you mean 'mnist'"]),
        (["--config=test", "--config.recipe=beta_vea"], ["did you mean 'beta_vae'"]),
        (["--config=test", "--config.network=cnv"], ["did you mean 'conv'"]),
        (["--config=test", "--config.likelihood=normall"], ["did you mean 'normal'"]),
        (["--config=test", "--config.policy=float23"], ["did you mean 'float32'"]),
        (["--config=test", "--config.dataset=npz:no.npz"], ["no.npz"]),
        (["--config=test", "--config.dataset=npz:empty.npz"], ["empty.npz"]),
        (["--config=test", "--config.dataset=npz:nan.npz"], ["NaN"]),
        (["--config=test", "--config.dataset=npz:nan.npz", "--config.likelihood=normal"], ["NaN"]),
        (["--config=test", "--config.dataset=images:nothing"], ["nothing"]),
        (["--config=test", "--config.binarization=none"], ["0 and 1 alone", "binarize"]),
        (["--config=test", "--config.train_split=train[:0]"], ["no example"]),
        (["--config=test", "--config.batch_size=0"], ["batch_size", "give"]),
    ],
)
@pytest.mark.usefixtures("no_tpu")
def test_a_mistake_is_one_line_and_leaves_no_trace(flags, words, flagged, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("empty.npz", x=np.zeros((0, 4, 4), np.uint8))
    np.savez("nan.npz", x=np.full((50, 4, 4), np.nan, np.float32))
    before = sorted(os.listdir())
    flags = flags if any(f.startswith("--strategy") for f in flags) else [
        *flags, "--strategy=one_device"
    ]  # fmt: skip
    done = flagged("train", *flags, "--workdir=run")
    assert done.code in (1, 2)
    for word in words:
        assert word in done.err
    lines = done.err.strip().splitlines()
    assert lines[0].startswith("error: ")
    assert lines[1:] in ([], ["--help lists the flags"])
    assert sorted(os.listdir()) == before


def test_a_missing_flag_is_asked_for(flagged):
    assert "--workdir" in flagged("train", "--config=test").err
    assert "--config" in flagged("train", "--workdir=run").err
    assert "--workdir" in flagged("evaluate").err


def test_a_broken_configuration_file_is_one_line(flagged, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("def get_config():\n    return 1 / 0\n")
    done = flagged("train", f"--config={path}", f"--workdir={tmp_path / 'run'}")
    assert done.code == 2
    assert "ZeroDivisionError" in done.err
    assert "Traceback" not in done.err


def other_run(folder, **fields):
    config = default_config()
    config.update(fields)
    Workdir(folder).claim(config)


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_the_folder_of_another_run_is_refused_with_what_differs(flagged, tmp_path):
    other_run(tmp_path / "run", latent_dim=7, learning_rate=0.5)
    before = contents(tmp_path)
    done = flagged("train", "--config=default", "--config.seed=3", f"--workdir={tmp_path}/run")
    assert done.code == 1
    assert done.err.startswith("error: ")
    for part in ("latent_dim is 16 and was 7", "learning_rate is 0.001 and was 0.5",
                 "seed is 3 and was 0"):  # fmt: skip
        assert part in done.err
    assert "epochs" not in done.err
    assert contents(tmp_path) == before


def test_a_folder_that_is_no_run_is_refused(flagged, tmp_path):
    (tmp_path / "thesis.tex").write_text("...")
    for name in ("train", "evaluate", "sample"):
        config = ["--config=test"] if name == "train" else []
        done = flagged(name, *config, f"--workdir={tmp_path}")
        assert done.code == 1
        assert "is not the folder of a run" in done.err
        assert len(done.err.strip().splitlines()) == 1
    assert os.listdir(tmp_path) == ["thesis.tex"]
    done = flagged("train", "--config=test", f"--workdir={tmp_path / 'thesis.tex'}")
    assert "is not the folder of a run" in done.err


def test_a_damaged_configuration_of_a_run_is_refused(flagged, tmp_path):
    (tmp_path / "config.json").write_text('{"epochs": ')
    done = flagged("train", "--config=test", f"--workdir={tmp_path}")
    assert done.code == 1
    assert "config.json" in done.err
    (tmp_path / "config.json").write_text(json.dumps({"epoch": 3}))
    assert "config.json" in flagged("evaluate", f"--workdir={tmp_path}").err


def test_a_folder_that_cannot_be_written_is_refused(flagged, tmp_path):
    (tmp_path / "file").write_text("")
    done = flagged(
        "train", "--config=test", "--strategy=one_device", f"--workdir={tmp_path}/file/run"
    )
    assert done.code == 1
    assert "cannot write to --workdir" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_run_without_a_model_is_not_evaluated(flagged, tmp_path):
    other_run(tmp_path)
    for name in ("evaluate", "sample"):
        done = flagged(name, f"--workdir={tmp_path}")
        assert done.code == 1
        assert "no model.keras yet" in done.err


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--out=a.gif"], ".png"),
        (["--out=samples"], ".png"),
        (["--n=0"], "n"),
        (["--n=-3"], "n"),
        (["--seed=-1"], "seed"),
    ],
)
def test_what_cannot_be_sampled_is_refused(flags, word, flagged, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other_run(tmp_path)
    before = contents(tmp_path)
    done = flagged("sample", f"--workdir={tmp_path}", *flags)
    assert done.code in (1, 2)
    assert word in done.err
    assert "Traceback" not in done.err
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "flag", ["--samples=0", "--examples=-1", "--total_correlation=-1", "--samples=x"]
)
def test_what_cannot_be_evaluated_is_refused(flag, flagged, tmp_path):
    other_run(tmp_path)
    done = flagged("evaluate", f"--workdir={tmp_path}", flag)
    assert done.code in (1, 2)
    assert flag.split("=")[0].lstrip("-") in done.err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("train", ["--config", "--config.FIELD=VALUE", "--workdir", "--strategy=auto", "mirrored",
                   "--data_dir", "mnist, "]),
        ("evaluate", ["--workdir", "--samples", "--examples", "--data_dir"]),
        ("sample", ["--workdir", "--n=64", "--out=samples.png", "--seed=0", "--mean"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("flag", ["--help", "-h", "--helpshort"])
def test_help_shows_the_flags_of_the_command(flag, name, words, flagged):
    done = flagged(name, flag)
    assert done.code == 0
    assert done.err == ""
    assert f"tfvae-{name}" in done.out
    for word in words:
        assert word in done.out


def test_help_and_mistakes_do_not_wait_for_tensorflow(run_python):
    program = """
import sys
sys.argv = ["tfvae-train", "--help"]
from tfvae.cli.train import run
try:
    run()
except SystemExit:
    pass
print("tensorflow" in sys.modules or "keras" in sys.modules or 0)
"""
    assert run_python(program).result == 0
