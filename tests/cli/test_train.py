import csv
import glob
import json
import signal

import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae.runs import default_config

FIGURES = {"reconstructions", "samples", "latent_plane", "traversals", "training_curves"}


def test_the_folder_of_a_run_holds_all_of_the_contract(test_run):
    assert test_run.code == 0, test_run.err
    folder = test_run.workdir
    assert {path.name for path in folder.iterdir()} == {
        "config.json", "checkpoints", "logs", "metrics.csv", "times.csv", "model.keras", "figures",
        "evaluation.json", ".lock", ".checksums.json",
    }  # fmt: skip
    config = json.loads((folder / "config.json").read_text())
    assert set(config) == set(default_config())
    assert config["epochs"] == 2
    assert [p.name for p in sorted((folder / "checkpoints").glob("*.keras"))] == [
        "best.keras",
        "step-000000011.keras",
        "step-000000022.keras",
    ]
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["val_elbo"]) > float(rows[0]["val_elbo"])
    assert {path.name for path in (folder / "figures").iterdir()} == {f"{n}.png" for n in FIGURES}
    for path in (folder / "figures").iterdir():
        image = tf.io.decode_png(path.read_bytes()).numpy()
        assert min(image.shape[:2]) > 100
        assert image[..., :3].std() > 5
    table = json.loads((folder / "evaluation.json").read_text())
    assert table["examples"] == 100
    assert table["samples"] == 10
    assert table["log_prob"] > table["elbo"] > -64 * np.log(2) - 5
    vae = tfvae.load(folder / "model.keras")
    assert int(vae.optimizer.iterations) == 22
    assert vae.sample(3).shape == (3, 8, 8, 1)


def events(folder):
    """Tags of a TensorBoard folder, each with its steps."""
    tags = {}
    for path in glob.glob(f"{folder}/*tfevents*"):
        for record in tf.data.TFRecordDataset(path):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                tags.setdefault(value.tag, []).append(event.step)
    return tags


def test_tensorboard_has_scalars_and_pictures_of_every_epoch(test_run):
    logs = test_run.workdir / "logs"
    for name in ("train", "validation"):
        tags = events(logs / name)
        for term in ("loss", "elbo", "distortion", "rate"):
            assert sorted(tags[f"epoch_{term}"]) == [0, 1], name
    panels = events(logs / "panels")
    for name in ("reconstructions", "samples", "latent_plane", "traversals"):
        assert sorted(panels[name]) == [0, 1]


def test_the_screen_shows_progress_the_table_and_the_figures_and_no_noise(test_run):
    assert test_run.err == ""
    for part in ("2/2 ", "elbo -", "(val -", "distortion ", "rate ", " s, ", " left"):
        assert part in test_run.out
    table = json.loads((test_run.workdir / "evaluation.json").read_text())
    lines = test_run.out.splitlines()
    (elbo,) = [line for line in lines if line.startswith("  test ELBO")]
    assert elbo.split()[2] == f"{table['elbo']:.2f}"
    assert any("log p(x), 10 samples" in line for line in lines)
    assert any("images per second" in line for line in lines)
    assert any(line.startswith("  training time") for line in lines)
    shown = {line.strip() for line in lines[lines.index("figures:") + 1 :]}
    assert shown == {f"run/figures/{name}.png" for name in FIGURES}
    for word in ("WARNING", "Warning", "Traceback", "cuda", "oneDNN"):
        assert word not in test_run.out


def test_evaluate_writes_and_prints_the_table(test_run, command):
    flags = ("--workdir=run", "--samples=7", "--examples=30", "--total_correlation=40")
    done = command("evaluate", *flags, cwd=test_run.folder)
    assert (done.code, done.err) == (0, "")
    path = test_run.workdir / "evaluation.json"
    first = json.loads(path.read_text())
    assert (first["samples"], first["examples"]) == (7, 30)
    assert f"{first['log_prob']:.2f}" in done.out
    assert "log p(x), 7 samples" in done.out
    # The same numbers as from Python.
    vae = tfvae.load(test_run.workdir / "model.keras")
    data = tfvae.data.load("digits", "test", 128, seed=0)
    direct = tfvae.evaluation.evaluate_likelihood(vae, data, samples=7, examples=30)
    codes = tfvae.evaluation.total_correlation(vae, data, examples=40)
    direct |= {"total_correlation_examples": codes.pop("examples"), **codes}
    assert direct.pop("log_prob_kind") == first.pop("log_prob_kind")
    assert direct == pytest.approx(first, rel=1e-4)
    assert f"{codes['total_correlation']:.2f}" in done.out


def test_sample_draws_pictures_and_arrays(test_run, flagged, monkeypatch):
    monkeypatch.chdir(test_run.folder)
    for out in ("a.npz", "b.npz"):
        done = flagged("sample", "--workdir=run", "--n=5", f"--out=deep/{out}")
        assert not done.code, done.err
        assert done.out.strip() == f"deep/{out}"
    a, b = (np.load(f"deep/{name}.npz")["x"] for name in "ab")
    assert a.shape == (5, 8, 8, 1)
    np.testing.assert_array_equal(a, b)
    assert set(np.unique(a)) <= {0.0, 1.0}
    flagged("sample", "--workdir=run", "--n=5", "--seed=1", "--out=c.npz")
    assert (np.load("c.npz")["x"] != a).any()
    flagged("sample", "--workdir=run", "--n=5", "--mean", "--out=d.npz")
    mean = np.load("d.npz")["x"]
    assert ((mean > 0) & (mean < 1)).all()
    vae = tfvae.load("run/model.keras")
    np.testing.assert_allclose(mean, vae.sample(5, seed=0, mean=True), rtol=1e-5)

    flagged("sample", "--workdir=run", "--n=9", "--out=a.png")
    flagged("sample", "--workdir=run", "--n=9", "--nomean", "--out=b.png")
    done = flagged("sample", "--workdir=run", "--label=3", "--out=e.png")
    assert done.code == 1
    assert done.err.strip() == ("error: --label=3: this model knows no labels: leave the flag out")
    a, b = (tf.io.decode_png(tf.io.read_file(f"{name}.png")).numpy() for name in "ab")
    assert a.std() > 5
    assert a.shape != b.shape or (a != b).any()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
@pytest.mark.representatives("15-*")
def test_a_signal_saves_and_the_same_command_goes_on(number, code, start, command, small, tmp_path):
    epochs = 20 if number == signal.SIGINT else 3
    flags = [
        "--config=test", *small, f"--config.epochs={epochs}", "--config.steps_per_execution=1",
        "--config.checkpoint_every=1000", "--config.keep_best=False", "--workdir=run",
    ]  # fmt: skip
    process = start("train", *flags, cwd=tmp_path)
    seen = ""
    while f"1/{epochs} " not in seen:
        seen += process.stdout.read(1)
    process.send_signal(number)
    _, err = process.communicate(timeout=100)
    assert process.returncode == code, err
    assert "The same command goes on" in err
    assert "run/checkpoints" in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "run" / "model.keras").exists()
    (saved,) = (tmp_path / "run" / "checkpoints").glob("*.keras")
    if number == signal.SIGTERM:
        return  # the rest is the same

    done = command("train", *flags, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert f"going on from run/checkpoints/{saved.name}" in done.out
    assert "\n1/20 " not in f"\n{done.out}"
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert [int(row.split(",")[0]) for row in rows[1:]] == list(range(1, 21))
    assert int(tfvae.load(tmp_path / "run" / "model.keras").optimizer.iterations) == 160


@pytest.mark.exhaustive
def test_data_of_ones_own(flagged, small, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", x=rng.integers(0, 256, (300, 5, 4), dtype=np.uint8))
    np.savez(tmp_path / "vectors.npz", x=rng.normal(size=(300, 6)).astype(np.float32))
    (tmp_path / "images").mkdir()
    for number in range(40):
        image = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
        (tmp_path / "images" / f"{number}.png").write_bytes(tf.io.encode_png(image).numpy())
    flags = [*small, "--config.epochs=1", "--config.train_split=train"]
    for name, shape, more in [
        ("npz:own.npz", (5, 4, 1), ["likelihood=discretized_logistic"]),
        ("npz:vectors.npz", (6,), ["likelihood=normal", "normal.scale=learned"]),
        ("images:images", (6, 8, 3), ["image_size=(6,8)", "likelihood=continuous_bernoulli",
                                      "network=conv", "conv.filters=(4,4)"]),
    ]:  # fmt: skip
        workdir = tmp_path / name.replace(":", "-")
        done = flagged(
            "train", "--config=test", *flags, f"--config.dataset={name}", f"--workdir={workdir}",
            *(f"--config.{field}" for field in more), f"--data_dir={tmp_path}",
            "--strategy=one_device",
        )  # fmt: skip
        assert not done.code, done.err
        assert (workdir / "evaluation.json").exists()
        assert (workdir / "figures" / "samples.png").exists()
        assert tfvae.load(workdir / "model.keras").sample(2).shape == (2, *shape)
