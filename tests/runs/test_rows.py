import os
import random

import numpy as np
import pytest

from tfvae.errors import UserError
from tfvae.runs.callbacks import Clock
from tfvae.runs.rows import RowsFile, read_metrics, rows_of_record, rows_until, text_of


def nobody(line):
    raise AssertionError(line)


@pytest.fixture
def path(tmp_path):
    """A file of three epochs."""
    made = RowsFile(tmp_path / "metrics.csv", dict, say=nobody)
    for epoch in range(3):
        made.on_epoch_end(epoch, {"loss": 10.0 - epoch, "elbo": epoch - 10.0})
    return made.path


def test_rows_behind_a_cut_are_written_anew(tmp_path):
    path = tmp_path / "metrics.csv"
    first = RowsFile(path, dict, say=nobody)
    for epoch in range(3):
        first.on_epoch_end(epoch, {"loss": 10.0 - epoch})
    again = RowsFile(path, dict, rows=rows_until(first.rows, 1), say=nobody)
    again.on_epoch_end(1, {"loss": np.float32(0.1), "val_loss": 7})
    assert read_metrics(path) == [
        {"epoch": "1", "loss": "10"},
        {"epoch": "2", "loss": "0.1", "val_loss": "7"},
    ]
    clock = Clock(4)
    clock.seconds, clock.images_per_second = 2.0, 50.0
    times = RowsFile(tmp_path / "times.csv", clock.times, say=nobody)
    times.on_epoch_end(0, {"loss": 3.0})
    (row,) = read_metrics(tmp_path / "times.csv")
    assert row == {"epoch": "1", "seconds": "2", "images_per_second": "50"}
    assert {p.name for p in tmp_path.iterdir()} == {"metrics.csv", "times.csv"}
    assert read_metrics(tmp_path / "none.csv") == []


def test_numbers_keep_float32_in_the_file(tmp_path):
    values = np.random.default_rng(0).normal(scale=1e3, size=50).astype(np.float32)
    file = RowsFile(tmp_path / "m.csv", dict)
    file.on_epoch_end(0, {f"n{i}": value for i, value in enumerate(values)})
    (row,) = read_metrics(tmp_path / "m.csv")
    np.testing.assert_allclose([float(row[f"n{i}"]) for i in range(50)], values, rtol=1e-7)


def test_a_record_keeps_the_rows(path):
    rows = read_metrics(path)
    rows[1]["val_loss"] = "nan"
    assert rows_of_record({"rows": {"metrics.csv": text_of(rows)}}, path) == rows
    assert rows_of_record({"rows": {}}, path) == []
    assert rows_of_record({"rows": {"metrics.csv": text_of([])}}, path) == []


def flipped(seed):
    """Changes a byte that is neither a decimal nor in a name, so that a reader might not see it."""

    def damage(data):
        at = random.Random(seed).choice([i for i, b in enumerate(data) if chr(b).isdigit()])
        return data[:at] + bytes([(data[at] - 48 + 1) % 10 + 48]) + data[at + 1 :]

    return damage


def line(order):
    def damage(data):
        lines = data.split(b"\r\n")
        return b"\r\n".join(lines[i] for i in order)

    return damage


DAMAGES = {
    "empty": lambda data: b"",
    "binary": lambda data: os.urandom(300),
    "cut": lambda data: data[:-9],
    "a row missing": line([0, 1, 2, 4]),
    "rows out of order": line([0, 2, 1, 3, 4]),
    "a row twice": line([0, 1, 1, 2, 3, 4]),
    "no names": line([1, 2, 3, 4]),
    "wrong names": lambda data: data.replace(b"loss", b"gain"),
    "no epoch": lambda data: data.replace(b"epoch", b"epoke"),
    "too many cells": lambda data: data.replace(b"10", b"10,1,1"),
    "no number": lambda data: data.replace(b"10", b"ten"),
    "a long cell": lambda data: data.replace(b"10", b"1" * 200_000),
    "a quote": lambda data: data.replace(b"loss", b'"loss'),
    "zero bytes": lambda data: data.replace(b"loss", b"\0"),
    **{f"a flipped digit {seed}": flipped(seed) for seed in range(5)},
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_set_aside_and_the_checkpoints_rows_are_written(name, path):
    whole, rows = path.read_bytes(), read_metrics(path)
    damaged = DAMAGES[name](whole)
    assert damaged != whole
    path.write_bytes(damaged)
    said = []
    file = RowsFile(path, dict, rows=rows, say=said.append)
    (words,) = said
    assert "\n" not in words
    assert words.startswith(f"{path} is damaged (")
    assert words.endswith(
        "it is now metrics.csv.damaged-1; the checkpoint's 3 rows are written anew"
    )
    assert path.with_name("metrics.csv.damaged-1").read_bytes() == damaged
    assert path.read_bytes() == whole
    assert file.rows == rows


def test_a_file_that_is_missing_or_no_file(path):
    rows = read_metrics(path)
    path.unlink()
    said = []
    RowsFile(path, dict, rows=rows, say=said.append)
    assert said[0].endswith("(it has 0 of 3 rows); the checkpoint's 3 rows are written anew")
    path.unlink()
    os.mkfifo(path)  # whoever opens it waits for somebody who writes
    with pytest.raises(UserError, match=r"damaged \(it is a FIFO, and no file\): restore it"):
        read_metrics(path)
    RowsFile(path, dict, rows=rows, say=said.append)
    assert read_metrics(path) == rows
