"""Whether all workers of a cluster are about to do the same, compared before they begin."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import itertools
import json
import platform
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from tfvae import __version__
from tfvae.distribute.cluster import task_names
from tfvae.distribute.workers import several_workers
from tfvae.distributions.tf_compat import cluster_store
from tfvae.errors import LostWorkerError, UserError, one_line

__all__ = ["agree", "difference", "versions"]

PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "numpy")
LIMIT = 600.0  # seconds that a worker waits for the others to reach the same call
ERROR = "error"
_rounds = itertools.count()


def versions() -> dict[str, str]:
    """The versions that numbers depend on, by name of the package."""
    found = {"tfvae": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def agree(
    strategy: tf.distribute.Strategy,
    facts: Callable[[], Mapping[str, object]],
    *,
    limit: float = LIMIT,
) -> None:
    """Waits until all workers are here, and refuses, on all of them, to go on where they differ.

    The facts go through the key-value store of TensorFlow's coordination service: a collective
    operation would itself fail where the workers differ.

    Args:
        strategy: The strategy; nothing is done where it is of one process.
        facts: Gives what has to be equal, by name, as JSON takes it. An error of the user's in it
            ends all workers, with its line.
        limit: Seconds to wait for the others.

    Raises:
        UserError: If the workers differ, or one of them has found a mistake.
        LostWorkerError: If one did not come.
    """
    if not several_workers(strategy):
        facts()
        return
    mine, error = {}, None
    try:
        mine = {name: _plain(value) for name, value in facts().items()}
    except UserError as raised:
        error = raised
        mine = {ERROR: one_line(raised, 1000)}
    texts = _exchange(strategy, json.dumps(mine), limit)
    if error is not None:
        raise error
    found = difference([json.loads(text) for text in texts], task_names(strategy.cluster_resolver))
    if found is not None:
        raise UserError(found)


def difference(facts: Sequence[Mapping[str, object]], names: Sequence[str]) -> str | None:
    """What differs between workers, in one line; None where nothing does.

    Args:
        facts: What each worker has, by name.
        names: What the workers are called, such as `"worker 1"`.
    """
    for name, one in zip(names, facts, strict=True):
        if ERROR in one:
            return f"{name} of the cluster: {one[ERROR]}"
    for name, one in zip(names[1:], facts[1:], strict=True):
        differ = [f for f in {**facts[0], **one} if facts[0].get(f) != one.get(f)]
        if differ:
            pairs = [
                f"{field} is {_shown(one.get(field))} and not {_shown(facts[0].get(field))}"
                for field in differ[:3]
            ]
            more = f", and {len(differ) - 3} more" if len(differ) > 3 else ""
            return (
                f"{name} of the cluster differs from {names[0]}: {'; '.join(pairs)}{more}: start "
                "all workers with the same command, data and versions"
            )
    return None


def _plain(value: object) -> object:
    """A value as it comes back from JSON; a long one as its digest."""
    text = json.dumps(value, sort_keys=True, default=str)
    if len(text) > 200:
        return f"of digest {hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return json.loads(text)


def _shown(value: object) -> str:
    return value[:80] if isinstance(value, str) else repr(value)


def _exchange(strategy: tf.distribute.Strategy, text: str, limit: float) -> list[str]:
    """What each worker has said, in the order of the tasks."""
    resolver = strategy.cluster_resolver
    own = f"{resolver.task_type} {resolver.task_id}"
    names, place = task_names(strategy.cluster_resolver), f"tfvae/{next(_rounds)}"
    store = cluster_store()
    store.set_config_key_value(f"{place}/{own}", text)
    texts = []
    for name in names:
        try:
            texts.append(store.get_config_key_value(f"{place}/{name}", int(limit * 1000)))
        except tf.errors.DeadlineExceededError:
            raise LostWorkerError(
                f"{name} of the cluster did not come within {limit:.0f} seconds to where {own} "
                "waits for it: start all workers again, with the same command"
            ) from None
    # The store ends with its process: nobody leaves before all have read it.
    store.set_config_key_value(f"{place}/read/{own}", "1")
    for name in names:
        with contextlib.suppress(*_GONE):
            store.get_config_key_value(f"{place}/read/{name}", int(limit * 1000))
    return texts


_GONE = (tf.errors.DeadlineExceededError, tf.errors.UnavailableError, tf.errors.AbortedError,
         tf.errors.CancelledError)  # fmt: skip
