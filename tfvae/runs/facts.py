"""What a run rests on beside its configuration: versions and data."""

from __future__ import annotations

import os
from collections.abc import Callable

from ml_collections import ConfigDict

from tfvae.data.fingerprint import fingerprint
from tfvae.distribute.agreement import versions
from tfvae.errors import UserError
from tfvae.runs.config import flat

__all__ = ["check_facts", "facts_of_run", "facts_of_worker"]


def facts_of_run(config: ConfigDict, data_dir: str | os.PathLike | None = None) -> dict:
    """What a checkpoint notes of the run, for the one that goes on with it.

    Args:
        config: The configuration.
        data_dir: Folder with dataset files.

    Returns:
        `versions`, by name of the package, and `data`, a digest.
    """
    size = tuple(config.image_size) or None
    data = fingerprint(config.dataset, data_dir=data_dir, size=size, damaged=config.damaged)
    return {"versions": versions(), "data": data}


def facts_of_worker(config: ConfigDict, facts: dict, *, override: bool) -> dict[str, object]:
    """What all workers of a cluster have to agree on before the first step, by name.

    Args:
        config: The configuration.
        facts: As `facts_of_run` gives them.
        override: Whether the run goes on although fields of its configuration have changed.
    """
    fields = {f"config.{name}": value for name, value in flat(config).items()}
    return {**fields, "--override": override, f"a digest of {config.dataset}": facts["data"]}


def check_facts(
    config: ConfigDict, was: dict, now: dict, *, override: bool, say: Callable[[str], None]
) -> None:
    """Compares what a run rests on with what its first part did.

    Args:
        config: The configuration.
        was: The facts of the checkpoint.
        now: Those of this run.
        override: Whether it may go on with other data.
        say: Takes a line for what may differ.

    Raises:
        UserError: If the data are others.
    """
    if was.get("data") != now["data"]:
        what = f"the data of {config.dataset!r} are not those of the run so far"
        if not override:
            raise UserError(
                f"{what} (their digest is {now['data'][:8]} and was {str(was.get('data'))[:8]}): "
                "restore them, give another --workdir, or --override to go on with these"
            )
        say(f"--override: {what}")
    before = was.get("versions", {})
    changed = [
        f"{name} is {version} and was {before.get(name)}"
        for name, version in now["versions"].items()
        if version != before.get(name)
    ]
    if changed:
        say(f"{'; '.join(changed)}: the numbers may differ from those of a run in one piece")
