"""Checkpoints: the whole model as a `.keras` file and, beside it, what Keras leaves out."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tfvae.errors import MissingFileError, UserError, one_line
from tfvae.files import PART, checksum, is_regular, set_aside, write_whole, written_whole
from tfvae.runs.records import checked, record_of, sealed, unsealed
from tfvae.runs.workdir import Workdir
from tfvae.saving.loading import load
from tfvae.vae import VAE

__all__ = ["Checkpoints", "Restored", "load_final", "restore_rest"]

Best = dict[str, float]  # `batches` and `val_elbo`, nats


@dataclasses.dataclass(frozen=True)
class Restored:
    """A checkpoint that was read.

    Attributes:
        vae: The model.
        batches: Batches that it has been trained on.
        path: The file.
        record: What stands beside it: `steps` (batches in an epoch of that run), `rest` (metrics
            within the epoch and states of seeds), and what else was given to `save`.
    """

    vae: VAE
    batches: int
    path: Path
    record: dict


class Checkpoints:
    """The checkpoints of a run.

    Each is a `.keras` file and a `.json` file with its checksum and one of its own, which is
    written first: a model without a record that fits is one that was cut off or damaged, and the
    one before it is taken.

    Args:
        workdir: The folder of the run.
        keep: How many of the newest stay.
        steps: Batches in an epoch.
    """

    def __init__(self, workdir: Workdir, *, keep: int = 2, steps: int = 1):
        self.workdir, self.keep, self.steps = workdir, keep, steps
        self.best = workdir.checkpoints / "best.keras"

    def save(self, vae: VAE, batches: int, **facts) -> None:
        """Saves weights, optimizer, configuration and what else the next step depends on.

        Args:
            vae: The model.
            batches: Batches that the model has been trained on.
            **facts: What else the record has, as JSON takes it.
        """
        self._save(vae, batches, facts)
        self._clear()

    def _save(self, vae: VAE, batches: int, facts: dict) -> None:
        path = self.workdir.checkpoint(batches)
        rest = [np.asarray(variable.numpy()).tolist() for variable in _rest(vae)]
        record = {**facts, "batches": batches, "steps": self.steps, "rest": rest}
        with written_whole(path) as part:
            vae.save(part)
            write_whole(record_of(path), sealed({**record, "sha256": checksum(part)}))

    def save_best(self, vae: VAE, batches: int, elbo: float) -> None:
        """Keeps a model as the best so far.

        Args:
            vae: The model.
            batches: Batches that it has been trained on.
            elbo: Of the validation data, nats.
        """
        newest = self.workdir.checkpoint(batches)
        self._write_best(
            lambda part: shutil.copyfile(newest, part) if newest.is_file() else vae.save(part),
            {"batches": batches, "val_elbo": elbo},
        )

    def _write_best(self, write: Callable[[Path], object], best: Best) -> None:
        try:
            before = {**unsealed(record_of(self.best)), "before": None}
        except (UserError, OSError):
            before = None
        with written_whole(self.best) as part:
            write(part)
            record = {**best, "steps": self.steps, "sha256": checksum(part), "before": before}
            write_whole(record_of(self.best), sealed(record))

    def _read_best(self) -> dict:
        """The record of the best model, as `checked` has it.

        A kill may fall between the record, which is written first, and the model: the model is
        then the one before it, whose record is a part of the new one.
        """
        try:
            return checked(self.best)
        except UserError:
            before = unsealed(record_of(self.best)).get("before")
            if not isinstance(before, dict) or before.get("sha256") != checksum(self.best):
                raise
        write_whole(record_of(self.best), sealed(before))
        return before

    def restore_best(self, restored: Restored, say: Callable[[str], None] = print) -> Best | None:
        """Makes the best model what it was at a checkpoint, as far as it can be.

        A kill may fall between an epoch's checkpoint and the best one: it is then copied from the
        checkpoint. One that is damaged is set aside.

        Args:
            restored: The checkpoint that the run goes on from: what was kept later, the run will
                find again.
            say: Takes a line for one that is damaged.

        Returns:
            Batches and ELBO of the best model, which the next has to exceed; None where there is
            none.
        """
        wanted, own = restored.record.get("best"), None
        if self.best.is_file():
            try:
                own = self._read_best()
                own = {"batches": own["batches"], "val_elbo": float(own["val_elbo"])}
            except (UserError, OSError, KeyError, TypeError, ValueError) as error:
                say(f"{self.best} is damaged ({one_line(error)}): {_aside(self.best)}")
        if own is not None and own["batches"] > restored.batches:
            return wanted
        if wanted is None or (own is not None and own["batches"] >= wanted["batches"]):
            return own
        source = self.workdir.checkpoint(wanted["batches"])
        try:
            checked(source, wanted["batches"])
        except (UserError, OSError):
            return own
        self._write_best(lambda part: shutil.copyfile(source, part), wanted)
        return wanted

    def restore(self, say: Callable[[str], None] = print) -> Restored | None:
        """Loads the newest checkpoint that is whole; those that are not are set aside.

        Args:
            say: Takes a line for each that is not.

        Returns:
            The checkpoint; None where there is none at all.

        Raises:
            UserError: If there are checkpoints and none can be read; they stay as they are.
        """
        damaged: list[tuple[Path, str]] = []
        for batches, path in reversed(self.workdir.named()):
            try:
                record = checked(path, batches)
                vae = load(path)
                restore_rest(vae, record["rest"])
            except Exception as error:  # whatever is in the files
                damaged.append((path, one_line(error)))
                continue
            for other, reason in damaged:
                say(f"{other} is damaged ({reason}): it is left out, {_aside(other)}")
            return Restored(vae, batches, path, record)
        if damaged:
            for path, reason in damaged:
                say(f"{path} is damaged ({reason}): it is left out")
            raise UserError(
                f"no checkpoint in {str(self.workdir.checkpoints)!r} can be read "
                f"({damaged[-1][1]}): delete the folder to train anew"
            )
        return None

    def renew(self, vae: VAE, batches: int, **facts) -> None:
        """Saves a model of another configuration; the checkpoints of the one before it go.

        Args:
            vae: The model.
            batches: Batches that stand for what was done.
            **facts: As for `save`.
        """
        self._save(vae, batches, facts)
        for path in [*(path for _, path in self.workdir.saved()), self.best]:
            if path != self.workdir.checkpoint(batches):
                path.unlink(missing_ok=True)
        self._clear()

    def _clear(self) -> None:
        """Removes the old ones, records without a model and what a kill left half written."""
        for _, path in self.workdir.saved()[: -self.keep]:
            path.unlink()
        folder = self.workdir.checkpoints
        alone = (p for p in folder.glob("*.json") if not p.with_suffix(".keras").exists())
        for path in [*alone, *folder.glob(f"{PART}*")]:
            if is_regular(path):
                path.unlink()


def _aside(path: Path) -> str:
    """Sets a checkpoint and its record aside; says so in words."""
    if is_regular(record_of(path)):
        set_aside(record_of(path))
    return f"and is now {set_aside(path).name}"


def restore_rest(vae: VAE, values: Sequence) -> None:
    """Puts back what Keras leaves out of a saved model: metrics so far, states of seeds.

    Args:
        vae: The model.
        values: As in the record of a checkpoint.
    """
    for variable, value in zip(_rest(vae), values, strict=True):
        variable.assign(np.asarray(value, dtype=variable.dtype))


def load_final(workdir: Workdir) -> VAE:
    """Loads the model of a run that is through.

    Args:
        workdir: The folder of the run.

    Returns:
        The model.

    Raises:
        MissingFileError: If the run has not been finished.
    """
    if not workdir.model.exists():
        raise MissingFileError(
            f"the run in {str(workdir.path)!r} has no model.keras yet: finish it with the same "
            "tfvae-train command"
        )
    reason = workdir.checksums.damage(workdir.model)
    if reason is not None:
        raise UserError(
            f"{str(workdir.model)!r} is damaged ({reason}): the same tfvae-train command makes it "
            "anew from the last checkpoint"
        )
    return load(workdir.model)


def _rest(vae: VAE) -> list:
    weights = {id(weight) for weight in vae.weights}
    seeds = [variable for variable in vae.variables if id(variable) not in weights]
    return [*seeds, *vae.metrics_variables]
