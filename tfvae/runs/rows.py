"""A row an epoch: the files of metrics and of times."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras

from tfvae.errors import UserError, one_line
from tfvae.files import kind_of, read_text, set_aside, write_whole

__all__ = ["RowsFile", "read_metrics", "rows_of_record", "rows_until", "text_of"]

Row = dict[str, str]


class RowsFile(keras.callbacks.Callback):
    """Writes a row an epoch; a resumed run goes on behind the rows of the epochs it has done.

    Those are the ones that the checkpoint has. A file that differs from them is set aside, and
    written anew.

    Args:
        path: The CSV file.
        values: Gives an epoch's values from its logs.
        rows: Those of the epochs before this call; later ones in the file are of a run that was
            cut off.
        say: Takes a line where the file was damaged.
    """

    def __init__(
        self,
        path: Path,
        values: Callable[[dict], Mapping],
        *,
        rows: Sequence[Row] = (),
        say: Callable[[str], None] = print,
    ):
        super().__init__()
        self.path, self.values = path, values
        self.rows = list(rows)
        reason = self._damage()
        if reason is not None:
            aside = f", it is now {set_aside(path).name}" if kind_of(path) else ""
            again = f"; the checkpoint's {len(self.rows)} rows are written anew"
            say(f"{path} is damaged ({reason}){aside}{again if self.rows else ''}")
            if self.rows:
                self._write()

    def _damage(self) -> str | None:
        """What is wrong with the file, in words."""
        try:
            found = _read(self.path)
        except UserError as error:
            return str(error)
        if len(found) < len(self.rows):
            return f"it has {len(found)} of {len(self.rows)} rows"
        for row, own in zip(found, self.rows, strict=False):
            if row != own:
                return f"the row of epoch {own['epoch']} is another"
        return None

    def on_epoch_end(self, epoch, logs=None):
        """Adds the row and writes the file anew, whole or not at all."""
        values = self.values(logs or {})
        row = {name: f"{float(value):.8g}" for name, value in values.items()}
        self.rows.append({"epoch": str(epoch + 1), **row})
        self._write()

    def _write(self) -> None:
        write_whole(self.path, text_of(self.rows))


def text_of(rows: Sequence[Row]) -> str:
    """The text of a CSV file with these rows."""
    if not rows:
        return ""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def rows_until(rows: Sequence[Row], epochs: int) -> list[Row]:
    """The rows of the first so many epochs."""
    return [row for row in rows if int(row["epoch"]) <= epochs]


def rows_of_record(record: Mapping, path: Path) -> list[Row]:
    """The rows that a checkpoint's record has of a file.

    Args:
        record: The record.
        path: The file.
    """
    text = record.get("rows", {}).get(path.name)
    return _parsed(text) if text else []


def read_metrics(path: Path) -> list[Row]:
    """Reads the rows of a metrics file; none where there is no file.

    Args:
        path: The CSV file.

    Returns:
        A dict of column to text for each epoch; without the columns that it has no value in.

    Raises:
        UserError: If the file is not one of a number in each cell, and of the epochs 1, 2, ...
    """
    try:
        return _read(path)
    except UserError as error:
        raise UserError(f"{str(path)!r} is damaged ({error}): restore it") from error


def _read(path: Path) -> list[Row]:
    """The same; an error says the reason alone."""
    if not kind_of(path):
        return []
    try:
        return _parsed(read_text(path))
    except (OSError, csv.Error) as error:
        raise UserError(getattr(error, "strerror", None) or one_line(error)) from error


def _parsed(text: str) -> list[Row]:
    lines = list(csv.reader(io.StringIO(text, newline="")))
    names = lines[0] if lines else []
    if names[:1] != ["epoch"] or len({*names}) < len(names):
        raise UserError("its first line does not name the columns")
    rows = []
    for number, cells in enumerate(lines[1:], 1):
        if len(cells) != len(names):
            raise UserError(f"line {number + 1} has {len(cells)} of {len(names)} cells")
        row = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
        for name, cell in row.items():
            try:
                float(cell)
            except ValueError:
                raise UserError(f"{name} of line {number + 1} is {cell[:40]!r}") from None
        if row.get("epoch") != str(number):
            raise UserError(f"line {number + 1} is of epoch {row.get('epoch')}, not {number}")
        rows.append(row)
    return rows
