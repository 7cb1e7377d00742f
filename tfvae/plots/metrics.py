"""The numbers of a training run, from wherever they are."""

from __future__ import annotations

import csv
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfvae.errors import MissingFileError, UserError

__all__ = ["read_metrics"]


def read_metrics(
    metrics: str | os.PathLike[str] | Mapping[str, Sequence[float]] | Any,
) -> dict[str, np.ndarray]:
    """Reads a number an epoch for each metric.

    Args:
        metrics: Path of a `metrics.csv` (a header, then a row an epoch), or what `fit` returns
            (`keras.callbacks.History`), or its `history` dict.

    Returns:
        `[epochs]` float64 for each column, with NaN where a cell is empty or no number; the
        column `epoch` is there in any case (from 1 where the source has none).

    Example:
        >>> read_metrics({"elbo": [-120.0, -110.0]})["epoch"]
        array([1., 2.])
    """
    metrics = getattr(metrics, "history", metrics)
    if isinstance(metrics, Mapping):
        source, columns = "the history", {str(name): list(v) for name, v in metrics.items()}
    else:
        source, columns = f"{os.fspath(metrics)!r}", _columns(pathlib.Path(metrics))
    length = max(map(len, columns.values()), default=0)
    if not length:
        raise UserError(f"{source} has no epoch yet: train for one or more, then draw")
    table = {name: np.full(length, np.nan) for name in columns}
    for name, values in columns.items():
        # With `validation_freq` a history has fewer values of some metrics, and does not say of
        # which epochs: a line at the wrong ones would mislead, so it is refused.
        if len(values) != length:
            raise UserError(
                f"{name!r} has {len(values)} values in {length} epochs: give metrics.csv, whose "
                "rows say which epochs they are of"
            )
        table[name][:] = [_number(value) for value in values]
    table.setdefault("epoch", np.arange(1.0, length + 1))
    return table


def _columns(path: pathlib.Path) -> dict[str, list[str]]:
    if not path.is_file():
        raise MissingFileError(f"no metrics file at {str(path)!r}: give the path of a metrics.csv")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name is not None] if rows else []
    return {name: [row[name] for row in rows] for name in names}


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):  # a row cut short by a crash, or Keras's "NA"
        return float("nan")
