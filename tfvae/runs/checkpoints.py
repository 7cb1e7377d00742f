"""Checkpoints: the whole model as a `.keras` file and, beside it, what Keras leaves out."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tfvae.errors import MissingFileError, UserError
from tfvae.runs.files import PART, checksum, write_whole, written_whole
from tfvae.runs.workdir import Workdir
from tfvae.saving.loading import load
from tfvae.vae import VAE

__all__ = ["Checkpoints", "Restored", "load_final", "restore_rest"]


@dataclasses.dataclass(frozen=True)
class Restored:
    """A checkpoint that was read.

    Attributes:
        vae: The model.
        batches: Batches that it has been trained on.
        path: The file.
        record: What stands beside it: `steps` (batches in an epoch of that run), `rest` (metrics
            within the epoch and states of seeds) and `skipped` (steps left out, not finite).
    """

    vae: VAE
    batches: int
    path: Path
    record: dict


class Checkpoints:
    """The checkpoints of a run.

    Each is a `.keras` file and a `.json` file with its checksum, which is written first: a model
    without a record that fits is one that was cut off or damaged, and the one before it is taken.

    Args:
        workdir: The folder of the run.
        keep: How many of the newest stay.
        steps: Batches in an epoch.
    """

    def __init__(self, workdir: Workdir, *, keep: int = 2, steps: int = 1):
        self.workdir, self.keep, self.steps = workdir, keep, steps
        self.best = workdir.checkpoints / "best.keras"

    def save(self, vae: VAE, batches: int, *, skipped: int = 0) -> None:
        """Saves weights, optimizer, configuration and what else the next step depends on.

        Args:
            vae: The model.
            batches: Batches that the model has been trained on.
            skipped: Steps that were left out, as they were not finite.
        """
        self._save(vae, batches, skipped)
        self._clear()

    def _save(self, vae: VAE, batches: int, skipped: int) -> None:
        path = self.workdir.checkpoint(batches)
        rest = [np.asarray(variable.numpy()).tolist() for variable in _rest(vae)]
        record = {"batches": batches, "steps": self.steps, "skipped": skipped, "rest": rest}
        with written_whole(path) as part:
            vae.save(part)
            write_whole(_record(path), _text({**record, "sha256": checksum(part)}))

    def save_best(self, vae: VAE, batches: int, elbo: float) -> None:
        """Keeps a model as the best so far.

        Args:
            vae: The model.
            batches: Batches that it has been trained on.
            elbo: Of the validation data, nats.
        """
        newest = self.workdir.checkpoint(batches)
        with written_whole(self.best) as part:
            if newest.exists():
                shutil.copyfile(newest, part)
            else:
                vae.save(part)
            record = {"batches": batches, "steps": self.steps, "val_elbo": elbo}
            write_whole(_record(self.best), _text({**record, "sha256": checksum(part)}))

    def best_elbo(self, batches: int) -> float:
        """What a model has to exceed to be the best, in nats.

        Args:
            batches: Those that the run goes on from: what it kept later it will find again.

        Returns:
            The ELBO of the best one; minus infinity where there is none.
        """
        try:
            record = json.loads(_record(self.best).read_text())
            if record["batches"] <= batches and record["sha256"] == checksum(self.best):
                return float(record["val_elbo"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return -np.inf

    def restore(self, say: Callable[[str], None] = print) -> Restored | None:
        """Loads the newest checkpoint that is whole.

        Args:
            say: Takes a line for each that is not.

        Returns:
            The checkpoint; None where there is none at all.

        Raises:
            UserError: If there are checkpoints and none can be read.
        """
        saved = self.workdir.saved()
        reason = None
        for batches, path in reversed(saved):
            try:
                record = _checked(path)
                vae = load(path)
                restore_rest(vae, record["rest"])
                return Restored(vae, batches, path, record)
            except (UserError, OSError, ValueError, KeyError, TypeError) as error:
                reason = str(error).partition("\n")[0] or type(error).__name__
                say(f"{path} is damaged ({reason}): it is left out")
        if saved:
            raise UserError(
                f"no checkpoint in {str(self.workdir.checkpoints)!r} can be read ({reason}): "
                "delete the folder to train anew"
            )
        return None

    def renew(self, vae: VAE, batches: int) -> None:
        """Saves a model of another configuration; the checkpoints of the one before it go.

        Args:
            vae: The model.
            batches: Batches that stand for what was done.
        """
        self._save(vae, batches, skipped=0)
        for path in [*(path for _, path in self.workdir.saved()), self.best]:
            if path != self.workdir.checkpoint(batches):
                path.unlink(missing_ok=True)
        self._clear()

    def _clear(self) -> None:
        """Removes the old ones, records without a model and what a kill left half written."""
        for _, path in self.workdir.saved()[: -self.keep]:
            path.unlink()
        for path in self.workdir.checkpoints.glob("*.json"):
            if not path.with_suffix(".keras").exists():
                path.unlink()
        for path in self.workdir.checkpoints.glob(f"{PART}*"):
            path.unlink()


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
    return load(workdir.model)


def _rest(vae: VAE) -> list:
    weights = {id(weight) for weight in vae.weights}
    seeds = [variable for variable in vae.variables if id(variable) not in weights]
    return [*seeds, *vae.metrics_variables]


def _record(path: Path) -> Path:
    return path.with_suffix(".json")


def _text(record: dict) -> str:
    return json.dumps(record) + "\n"


def _checked(path: Path) -> dict:
    """The record of a checkpoint whose bytes are those that were written."""
    try:
        record = json.loads(_record(path).read_text())
    except FileNotFoundError:
        raise UserError("it has no record beside it") from None
    if not isinstance(record, dict) or record.get("sha256") != checksum(path):
        raise UserError("its checksum is another")
    return record
