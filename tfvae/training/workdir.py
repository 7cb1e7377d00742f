"""The folder of a run: where its files lie, and which run it belongs to."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from ml_collections import ConfigDict

from tfvae.errors import MissingFileError, UserError
from tfvae.training.config import default_config

__all__ = ["Workdir"]

# A run may go on with these changed: they do not change what was trained so far.
MAY_CHANGE = ("epochs", "checkpoint_every", "panels_every", "evaluation", "steps_per_execution")
CHECKPOINT = re.compile(r"step-(\d+)\.keras")


class Workdir:
    """The files of a run.

    Args:
        path: The folder; it is made when something is first written.

    Attributes:
        config: The configuration, `config.json`.
        checkpoints: Folder of the checkpoints.
        logs: Folder of the TensorBoard logs.
        metrics: A row an epoch, `metrics.csv`.
        model: The final model, `model.keras`.
        figures: Folder of the figures.
        evaluation: The likelihood table, `evaluation.json`.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.checkpoints = self.path / "checkpoints"
        self.logs = self.path / "logs"
        self.metrics = self.path / "metrics.csv"
        self.model = self.path / "model.keras"
        self.figures = self.path / "figures"
        self.evaluation = self.path / "evaluation.json"

    def check(self, config: ConfigDict) -> None:
        """Refuses a folder that belongs to another run or to something else.

        Args:
            config: The configuration of the run.

        Raises:
            UserError: If the folder cannot be the run's.
        """
        if self.config.exists():
            self._compare(config.to_dict())
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise UserError(
                f"{str(self.path)!r} is not the folder of a run (it has no config.json) and is not "
                "empty: give another --workdir"
            )

    def claim(self, config: ConfigDict) -> None:
        """Makes the folders and writes the configuration.

        The run is not complete from here on: what was evaluated of it before is removed.

        Args:
            config: The configuration of the run.

        Raises:
            UserError: If the folder cannot be written to.
        """
        try:
            for folder in (self.checkpoints, self.logs, self.figures):
                folder.mkdir(parents=True, exist_ok=True)
            self.evaluation.unlink(missing_ok=True)
            write_whole(self.config, json.dumps(config.to_dict(), indent=2) + "\n")
        except OSError as error:
            raise UserError(
                f"cannot write to --workdir={str(self.path)!r} ({error.strerror}): give a folder "
                "that you may write to"
            ) from error

    def evaluated(self, config: ConfigDict) -> bool:
        """Whether the run is evaluated, in the way that a configuration asks for."""
        return self.evaluation.exists() and self.read_config().evaluation == config.evaluation

    def _compare(self, config: dict) -> None:
        then, now = _flat(self.read_config().to_dict()), _flat(config)
        changed = [
            f"{name} is {now.get(name)!r} and was {then.get(name)!r}"
            for name in sorted({*then, *now})
            if then.get(name) != now.get(name) and name.split(".")[0] not in MAY_CHANGE
        ]
        if changed:
            raise UserError(
                f"{str(self.path)!r} holds a run of another configuration ({'; '.join(changed)}): "
                "give another --workdir, or the configuration of that run"
            )

    def read_config(self) -> ConfigDict:
        """Reads the configuration of the run that is here.

        Returns:
            The configuration.

        Raises:
            MissingFileError: If there is no run here.
            UserError: If the file cannot be read.
        """
        if not self.config.exists():
            raise MissingFileError(
                f"{str(self.path)!r} is not the folder of a run (it has no config.json): give the "
                "--workdir of a tfvae-train command"
            )
        config = default_config()
        try:
            config.update(json.loads(self.config.read_text()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{str(self.config)!r} is damaged ({error}): restore it") from error
        return config

    def checkpoint(self, batches: int) -> Path:
        """Path of the checkpoint after so many batches."""
        return self.checkpoints / f"step-{batches:09d}.keras"

    def saved(self) -> list[tuple[int, Path]]:
        """The checkpoints that are here, each as (batches, path), the newest last."""
        found = ((CHECKPOINT.fullmatch(path.name), path) for path in self.checkpoints.glob("*"))
        return sorted((int(match[1]), path) for match, path in found if match)


def write_whole(path: Path, text: str) -> None:
    """Writes a text file so that it is there whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    os.replace(part, path)


def _flat(config: dict, prefix: str = "") -> dict:
    flat = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = list(value) if isinstance(value, tuple) else value
    return flat
