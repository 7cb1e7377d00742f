import csv
import json
import signal
import time

import pytest

import tfvae

FLAGS = [
    "-m", "tfvae.cli.train", "--config=test", "--workdir=run", "--strategy=multi_worker",
    "--config.train_split=train[:250]", "--config.hidden=(8,)", "--config.batch_size=50",
    "--config.evaluation.samples=2", "--config.evaluation.examples=20",
    "--config.steps_per_execution=2", "--config.panels_every=0",
]  # fmt: skip


def read_until(process, text):
    """Reads what a process says until it says this."""
    seen = ""
    while text not in seen:
        new = process.stdout.read(1)
        assert new, process.stderr.read()[-3000:]
        seen += new


@pytest.mark.exhaustive
def test_workers_are_stopped_and_lost_and_the_same_command_goes_on(
    start_workers, wait_for_workers, tmp_path
):
    many = [*FLAGS, "--config.epochs=1000"]
    folder = tmp_path / "run"

    # SIGTERM to one of them: both stop at the same batch, and the state is saved.
    chief, other = both = start_workers(2, many, cwd=tmp_path)
    chiefs = [chief.pid]
    read_until(chief, "\n2/1000")
    other.send_signal(signal.SIGTERM)
    chief, other = wait_for_workers(both, 300)
    assert (chief.code, other.code) == (75, 75), chief.err + other.err
    assert "the state is saved in run/checkpoints" in chief.err
    assert "Traceback" not in chief.err + other.err
    saved = sorted(path.name for path in (folder / "checkpoints").glob("step-*.keras"))

    # One dies: the other says so within a minute.
    chief, other = both = start_workers(2, many, cwd=tmp_path)
    chiefs.append(chief.pid)
    read_until(chief, f"going on from run/checkpoints/{saved[-1]}")
    read_until(chief, "\n4/1000")
    other.kill()
    start = time.monotonic()
    chief, other = wait_for_workers(both, 300)
    assert time.monotonic() - start < 60
    assert chief.code == 75
    (line,) = chief.err.strip().splitlines()
    assert line.startswith("error: worker 1 of the cluster stopped")
    epochs = len((folder / "metrics.csv").read_text().splitlines()) - 1
    assert epochs >= 3

    # The restarted cluster finishes.
    few = [*FLAGS, f"--config.epochs={epochs + 1}"]
    both = start_workers(2, few, cwd=tmp_path)
    chiefs.append(both[0].pid)
    chief, other = wait_for_workers(both)
    assert (chief.code, other.code) == (0, 0), chief.err + other.err
    assert "going on from run/checkpoints/step-" in chief.out
    assert "log p(x), 2 samples" in chief.out
    assert (chief.err, other.err) == ("", "")
    assert other.out == "waiting for all workers of the cluster\n"
    with (folder / "metrics.csv").open() as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(1, epochs + 2))
    table = json.loads((folder / "evaluation.json").read_text())
    assert table["examples"] == 20
    assert len(list((folder / "figures").glob("*.png"))) == 5
    assert int(tfvae.load(folder / "model.keras").step) == 5 * (epochs + 1)
    # The chiefs alone wrote scalars: the number of the process is in the name of the file.
    writers = {int(path.name.split(".")[-3]) for path in (folder / "logs" / "train").iterdir()}
    assert writers == set(chiefs)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
