"""The folder of a run: where its files lie, and which run it belongs to."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ml_collections import ConfigDict

from tfvae.errors import MissingFileError, UnknownNameError, UserError, one_line
from tfvae.files import (
    checksum,
    kind_of,
    read_json,
    set_aside,
    system_error,
    written_whole,
)
from tfvae.runs.config import check_config, default_config, flat
from tfvae.runs.lock import locked
from tfvae.runs.records import Checksums, checked

__all__ = ["Workdir"]

# A run may go on with these changed: they do not change what was trained so far.
MAY_CHANGE = (
    "epochs",
    "checkpoint_every",
    "checkpoints_kept",
    "keep_best",
    "on_nan",
    "nan_cap",
    "panels_every",
    "evaluation",
    "steps_per_execution",
)
LOCK, CHECKSUMS = ".lock", ".checksums.json"
CHECKPOINT = re.compile(r"step-(\d+)\.keras")


class Workdir:
    """The files of a run.

    Args:
        path: The folder; it is made when something is first written.

    Attributes:
        config: The configuration, `config.json`.
        checkpoints: Folder of the checkpoints.
        logs: Folder of the TensorBoard logs.
        metrics: A row an epoch, `metrics.csv`: the same for every run of a configuration.
        times: A row an epoch, `times.csv`: how long it took.
        model: The final model, `model.keras`.
        figures: Folder of the figures.
        evaluation: The likelihood table, `evaluation.json`.
        checksums: Those of the configuration, the model and the table, `.checksums.json`.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.checkpoints = self.path / "checkpoints"
        self.logs = self.path / "logs"
        self.metrics = self.path / "metrics.csv"
        self.times = self.path / "times.csv"
        self.model = self.path / "model.keras"
        self.figures = self.path / "figures"
        self.evaluation = self.path / "evaluation.json"
        self.checksums = Checksums(self.path / CHECKSUMS)

    def changes(self, config: ConfigDict) -> list[str]:
        """Lists what a run's configuration has changed since the run was made.

        Args:
            config: The configuration of the run.

        Returns:
            What each field is and was; nothing for a new run, nor for fields that may change.

        Raises:
            UserError: If the folder cannot be that of a run.
        """
        if kind_of(self.config):
            then, now = flat(self.read_config()), flat(config)
            return [
                f"{name} is {now.get(name)!r} and was {then.get(name)!r}"
                for name in sorted({*then, *now})
                if then.get(name) != now.get(name) and name.split(".")[0] not in MAY_CHANGE
            ]
        if self.path.exists() and (
            not self.path.is_dir() or any(p.name != LOCK for p in self.path.iterdir())
        ):
            raise UserError(
                f"{str(self.path)!r} is not the folder of a run (it has no config.json) and is not "
                "empty: give another --workdir"
            )
        return []

    def check(self, config: ConfigDict) -> None:
        """Refuses a folder that belongs to another run or to something else.

        Args:
            config: The configuration of the run.

        Raises:
            UserError: If the folder cannot be the run's.
        """
        if changed := self.changes(config):
            raise UserError(
                f"{str(self.path)!r} holds a run of another configuration ({'; '.join(changed)}): "
                "give another --workdir, or the configuration of that run, or --override to go on "
                "with this one"
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other trainings out of the folder, which is made, while the block runs.

        Raises:
            UserError: If there is one in it, or the folder cannot be written to.
        """
        with contextlib.ExitStack() as held:
            with self.writing():
                self.path.mkdir(parents=True, exist_ok=True)
                held.enter_context(locked(self.path / LOCK))
            yield

    def make(self) -> None:
        """Makes the folders.

        Raises:
            UserError: If they cannot be made.
        """
        with self.writing():
            for folder in (self.checkpoints, self.logs, self.figures):
                folder.mkdir(parents=True, exist_ok=True)

    def claim(self, config: ConfigDict) -> None:
        """Makes the folders, where they are not there yet, and writes the configuration.

        The run is not complete from here on: what was evaluated of it before is removed.

        Args:
            config: The configuration of the run.

        Raises:
            UserError: If the folder cannot be written to.
        """
        self.make()
        with self.writing():
            self.evaluation.unlink(missing_ok=True)
            self.write_json(self.config, config.to_dict())

    @contextlib.contextmanager
    def written(self, path: Path) -> Iterator[Path]:
        """As `tfvae.files.written_whole`, for a file whose checksum is kept.

        Args:
            path: The file.
        """
        with written_whole(path) as part:
            yield part
            self.checksums.note(path.name, checksum(part))

    def write_json(self, path: Path, content: dict) -> None:
        """Writes a JSON file, and its checksum.

        Args:
            path: The file.
            content: What it holds.
        """
        with self.written(path) as part:
            part.write_text(json.dumps(content, indent=2) + "\n", "utf-8", newline="")

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turns an error of the system in writing, such as a full disk, into one line."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            reason = system_error(error)
            if reason is None:
                raise
            whole = self.newest_whole()
            raise UserError(
                f"cannot write to --workdir={str(self.path)!r} ({reason}): "
                + (
                    f"{whole} is whole, and the same command goes on from there when the folder "
                    "can be written to"
                    if whole
                    else "give a folder that you may write to, with room in it"
                )
            ) from error

    def is_whole(self, path: Path, say: Callable[[str], None]) -> bool:
        """Whether a file is there as it was written; one that is damaged is set aside.

        Args:
            path: The model or the table.
            say: Takes a line for one that is damaged.
        """
        if kind_of(path) is None:
            return False
        reason = self.checksums.damage(path)
        if reason is None and path.suffix == ".json":
            try:
                read_json(path)
            except UserError as error:
                reason = str(error)
        if reason is not None:
            say(f"{path} is damaged ({reason}): it is now {set_aside(path).name}")
        return reason is None

    def table(self, config: ConfigDict, say: Callable[[str], None]) -> dict[str, float] | None:
        """The likelihood table, if the run is evaluated in the way that a configuration asks for.

        Args:
            config: The configuration.
            say: Takes a line for each file that is damaged; it is set aside.
        """
        asked = self.read_config().evaluation == config.evaluation
        whole = [self.is_whole(path, say) for path in (self.model, self.evaluation)]
        return read_json(self.evaluation) if asked and all(whole) else None

    def read_config(self) -> ConfigDict:
        """Reads the configuration of the run that is here.

        Returns:
            The configuration.

        Raises:
            MissingFileError: If there is no run here.
            UserError: If the file cannot be read.
        """
        if not kind_of(self.config):
            raise MissingFileError(
                f"{str(self.path)!r} is not the folder of a run (it has no config.json): give the "
                "--workdir of a tfvae-train command"
            )
        config = default_config()
        reason = self.checksums.damage(self.config)
        try:
            if reason is not None:
                raise UserError(reason)
            fields = read_json(self.config)
            _refuse_unknown(fields, config)
            config.update(fields)
            check_config(config)
        except UnknownNameError as error:
            raise UserError(
                f"{str(self.config)!r} is not of this version of tfvae ({one_line(error)}): take "
                "the version that wrote it, or another --workdir"
            ) from error
        except Exception as error:  # whatever is in the file
            raise UserError(
                f"{str(self.config)!r} is damaged ({one_line(error)}): restore it"
            ) from error
        return config

    def checkpoint(self, batches: int) -> Path:
        """Path of the checkpoint after so many batches."""
        return self.checkpoints / f"step-{batches:09d}.keras"

    def named(self) -> list[tuple[int, Path]]:
        """What has the name of a checkpoint, each as (batches, path), the newest last."""
        found = ((CHECKPOINT.fullmatch(path.name), path) for path in self.checkpoints.glob("*"))
        return sorted((int(match[1]), path) for match, path in found if match)

    def saved(self) -> list[tuple[int, Path]]:
        """The checkpoints that are here, each as (batches, path), the newest last."""
        return [(batches, path) for batches, path in self.named() if path.is_file()]

    def newest_whole(self) -> Path | None:
        """The newest checkpoint that is as it was written."""
        for batches, path in reversed(self.saved()):
            with contextlib.suppress(UserError, OSError):
                checked(path, batches)
                return path
        return None


def _refuse_unknown(fields: object, config: ConfigDict, prefix: str = "") -> None:
    """Refuses unknown fields, which would be added, or replace a sub-config."""
    if not isinstance(fields, dict):
        raise UserError("it is no object of fields")
    for name, value in fields.items():
        if name not in config:
            raise UnknownNameError(f"there is no field {prefix + name!r}")
        if isinstance(config[name], ConfigDict):
            _refuse_unknown(value, config[name], f"{prefix}{name}.")
