"""`tfvae-train`: trains a model, or goes on with one."""

from __future__ import annotations

import re
import signal
import sys

from absl import flags
from ml_collections import config_flags

from tfvae.cli.app import INTERRUPTED, PREEMPTED, known_configs, run_command
from tfvae.cli.listing import listing
from tfvae.cli.quiet import import_quietly
from tfvae.errors import UserError

__all__ = ["main", "run"]

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "File with the configuration; --config.FIELD=VALUE changes a field."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run: what is written goes there.")
_STRATEGY = flags.DEFINE_string(
    "strategy",
    "auto",
    "auto (all local GPUs, or one device), one_device, mirrored, multi_worker (the cluster of "
    "TF_CONFIG, or of SLURM), or tpu.",
)
_LOGICAL_DEVICES = flags.DEFINE_integer(
    "logical_devices",
    None,
    "With --strategy=mirrored: the CPU passes for so many devices, to try out several GPUs.",
)
_START_TIMEOUT = flags.DEFINE_float(
    "start_timeout",
    600.0,
    "With --strategy=multi_worker: seconds to wait until all workers are there.",
    lower_bound=1.0,
)
_OVERRIDE = flags.DEFINE_bool(
    "override", False, "Go on with a run although fields of its configuration have changed."
)
_ON_NAN = flags.DEFINE_enum(
    "on_nan",
    None,
    ["stop", "skip"],
    "What a step does whose loss or gradient is not finite; the same as --config.on_nan.",
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder with dataset files; then TFVAE_DATA_DIR is looked at."
)
_VERBOSE = flags.DEFINE_bool("verbose", False, "Show all values of an epoch, below its line.")


def main() -> int:
    """Trains, evaluates and draws as the flags say."""
    from tfvae import distribute
    from tfvae.runs.cores import share_cores, wanted_branches
    from tfvae.runs.loop import train_and_evaluate
    from tfvae.runs.signals import Interrupted

    config = _CONFIG.value
    if _ON_NAN.value is not None:
        config.on_nan = _ON_NAN.value
    share_cores(wanted_branches(config, _STRATEGY.value, _LOGICAL_DEVICES.value))
    if _STRATEGY.value == "multi_worker":
        print("waiting for all workers of the cluster", flush=True)
    strategy = distribute.strategy(
        _STRATEGY.value,
        logical_devices=_LOGICAL_DEVICES.value,
        start_timeout=_START_TIMEOUT.value,
    )
    try:
        train_and_evaluate(
            config,
            _WORKDIR.value,
            strategy=strategy,
            data_dir=_DATA_DIR.value,
            override=_OVERRIDE.value,
            verbose="all" if _VERBOSE.value else "auto",
        )
    except Interrupted as stop:
        print(
            f"\nstopped; the state is saved in {_WORKDIR.value}/checkpoints. "
            "The same command goes on from there.",
            file=sys.stderr,
        )
        return PREEMPTED if stop.signal == signal.SIGTERM else INTERRUPTED
    return 0


def _list() -> None:
    """Prints what `--list` or `--list=NAME` asks for, and ends the command."""
    asked = [a.lstrip("-") for a in sys.argv[1:] if re.fullmatch(r"--?list(=.*)?", a)]
    if not asked:
        return
    name = asked[-1].partition("=")[2]
    if not name:
        import_quietly()  # data sets register themselves when they are imported
    try:
        print(listing(name, known_configs()))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0)


def run() -> None:
    """Entry point of the console script."""
    _list()
    flags.mark_flags_as_required(["config", "workdir"])
    holders = (
        _STRATEGY, _START_TIMEOUT, _LOGICAL_DEVICES, _OVERRIDE, _ON_NAN, _DATA_DIR, _VERBOSE
    )  # fmt: skip
    run_command(main, __doc__, _CONFIG, _WORKDIR, *holders)


if __name__ == "__main__":
    run()
