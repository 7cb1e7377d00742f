"""`train_and_evaluate`: a configuration and a folder in, a trained and evaluated model out."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable

import keras
import tensorflow as tf
from ml_collections import ConfigDict

from tfvae import distribute
from tfvae.distribute import workers
from tfvae.distribute.agreement import agree
from tfvae.errors import UserError
from tfvae.evaluation import evaluate_likelihood
from tfvae.files import kind_of
from tfvae.runs.averaging import averaging, take_the_mean
from tfvae.runs.build import build_model, data_info, load_data
from tfvae.runs.callbacks import Clock, EpochOfData
from tfvae.runs.checkpoints import Checkpoints, Restored
from tfvae.runs.config import check_config, interval
from tfvae.runs.diagnosis import diagnose
from tfvae.runs.facts import check_facts, facts_of_run, facts_of_worker
from tfvae.runs.figures import draw_figures, panels
from tfvae.runs.finite import FiniteSteps
from tfvae.runs.fitted_prior import fit_as_configured
from tfvae.runs.override import take_over
from tfvae.runs.own_folder import own_folder
from tfvae.runs.report import table_lines
from tfvae.runs.rows import RowsFile, rows_of_record, rows_until, text_of
from tfvae.runs.saving_callback import SaveCheckpoints
from tfvae.runs.signals import Interrupted, StopOnSignal
from tfvae.runs.workdir import Workdir
from tfvae.vae import VAE

__all__ = ["train_and_evaluate"]


def train_and_evaluate(
    config: ConfigDict,
    workdir: str | os.PathLike,
    *,
    strategy: str | tf.distribute.Strategy = "auto",
    data_dir: str | os.PathLike | None = None,
    override: bool = False,
    verbose: int | str = "auto",
    say: Callable[[str], None] = print,
) -> dict[str, float]:
    """Trains a model, or goes on with one, evaluates it and draws the figures.

    The folder then holds `config.json`, `checkpoints/`, `logs/`, `metrics.csv`, `times.csv`,
    `model.keras`, `figures/` and `evaluation.json`. A run that was cut off, wherever that was,
    goes on from its last checkpoint exactly as if it had not been.

    Args:
        config: The configuration; see `tfvae.runs.default_config`.
        workdir: The folder of the run.
        strategy: A strategy, or its name: see `tfvae.distribute.strategy`. Of several workers all
            call this alike, and the chief alone writes.
        data_dir: Folder with dataset files.
        override: Whether a run goes on although fields of its configuration have changed.
        verbose: As in `VAE.fit`; `"all"` shows all values.
        say: Takes the lines that the user should read.

    Returns:
        The likelihood table, as `evaluation.json` has it.

    Raises:
        UserError: If the configuration, the data or the folder do not fit.
        Interrupted: If Ctrl-C or SIGTERM stopped the training; a checkpoint was saved.

    Example:
        >>> config = tfvae.runs.default_config()
        >>> config.epochs = 2
        >>> table = tfvae.runs.train_and_evaluate(config, "runs/try")
    """
    scope = distribute.strategy(strategy) if isinstance(strategy, str) else strategy
    replicated = (tf.distribute.MirroredStrategy, tf.distribute.MultiWorkerMirroredStrategy)
    if config.xla and isinstance(scope, replicated):
        raise UserError(
            "config.xla=True does not work with several replicas in this TensorFlow: set "
            "config.xla=False or take --strategy=one_device"
        )
    if not workers.is_chief(scope):
        verbose, say = 0, _nothing
    facts = {}

    def facts_here() -> dict[str, object]:
        check_config(config)
        facts.update(facts_of_run(config, data_dir))
        return facts_of_worker(config, facts, override=override)

    with workers.lost_workers(scope):
        agree(scope, facts_here)
        with own_folder(scope, workdir) as own:
            return _train_and_evaluate(config, own, scope, data_dir, override, facts, verbose, say)


def _nothing(line: str) -> None:
    """Prints nothing: of several workers only the chief prints."""


def _train_and_evaluate(
    config, workdir, scope: tf.distribute.Strategy, data_dir, override: bool, facts, verbose, say
) -> dict[str, float]:
    """The same in the folder of this process, with its strategy."""
    together = functools.partial(workers.sums, scope)
    folder, stop = Workdir(workdir), StopOnSignal(together)
    # The order of the data is a function of the epoch, which the loop writes down here.
    epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
    train = load_data(config, config.train_split, data_dir=data_dir, epoch=epoch)
    test = load_data(config, config.test_split, data_dir=data_dir)
    steps = int(train.cardinality())
    left_out = data_info(config, data_dir).left_out if config.damaged == "skip" else 0
    if left_out:
        say(f"{left_out} damaged examples of {config.dataset} are left out")
    if not override:
        folder.check(config)
    with contextlib.ExitStack() as held:
        held.enter_context(stop.listening())
        begun = kind_of(folder.config) is not None
        if begun:
            held.enter_context(folder.locked())
        changed = folder.changes(config)
        checkpoints = Checkpoints(folder, keep=config.checkpoints_kept, steps=steps)
        with scope.scope():
            restored = checkpoints.restore(say)
            same = restored is None or restored.record["steps"] == steps
            if not (same or override):
                raise UserError(
                    f"an epoch of {config.dataset!r} has {steps} batches and had "
                    f"{restored.record['steps']}: restore the data, or --override to go on with "
                    "these"
                )
            if restored is not None:
                was = restored.record["facts"]
                check_facts(config, was, facts, override=override, say=say)
            if restored is None or changed or not same:
                vae, batches = build_model(config, data_dir=data_dir), 0
                if restored is not None:
                    batches = take_over(restored, vae, steps)
            else:
                vae, batches = restored.vae, restored.batches
        run = _Run(config, folder, checkpoints, data_dir, verbose, facts, say)
        with folder.writing():
            table = folder.table(config, say) if begun and not changed else None
            run.begin(batches, restored)
        if batches >= config.epochs * steps and table is not None:
            say(
                f"the run in {folder.path} is complete after {batches // steps} epochs: to train "
                "on, raise config.epochs"
            )
            return table
        if not begun:
            held.enter_context(folder.locked())
            if kind_of(folder.config):
                raise UserError(
                    f"another training began in {str(folder.path)!r} in this moment: give the same "
                    "command again"
                )
        held.enter_context(folder.writing())
        for line in changed:
            say(f"--override: {line}")
        folder.make()
        if restored is not None and vae is not restored.vae:
            # Saved before the new configuration is written down.
            checkpoints.renew(vae, batches, best=None, **run.facts())
        folder.claim(config)
        vae.steps_per_execution = config.steps_per_execution
        if restored is not None:
            say(f"going on from {folder.checkpoint(batches)}")
        if batches < config.epochs * steps:
            run.train(vae, train, test, epoch, batches, restored, stop)
        # Where the training was over before, no epoch was begun: the order and noise of the data
        # are those of the epoch behind the last in any case.
        epoch.assign(config.epochs)
        return run.finish(vae, train, test)


def _draws(vae: VAE) -> bool:
    return workers.is_chief(vae.distribute_strategy)


class _Run:
    """What the two halves of a run share."""

    def __init__(
        self, config, folder: Workdir, checkpoints: Checkpoints, data_dir, verbose, facts, say
    ):
        self.config, self.folder, self.checkpoints = config, folder, checkpoints
        self.data_dir, self.verbose, self.say = data_dir, verbose, say
        self._facts = facts

    def begin(self, batches: int, restored: Restored | None) -> None:
        """Goes on with the rows of the epochs that are done."""
        record = restored.record if restored is not None else {"skipped": 0}
        self.clock, self.skipped = Clock(self.config.batch_size), lambda: record["skipped"]
        done = batches // self.checkpoints.steps
        self.metrics, self.times = (
            RowsFile(
                path, values, rows=rows_until(rows_of_record(record, path), done), say=self.say
            )
            for path, values in (
                (self.folder.metrics, dict),
                (self.folder.times, self.clock.times),
            )
        )

    def facts(self) -> dict:
        """What a checkpoint notes beside the model."""
        rows = {file.path.name: text_of(file.rows) for file in (self.metrics, self.times)}
        return {"skipped": self.skipped(), "rows": rows, "facts": self._facts}

    def train(
        self, vae: VAE, train, test, epoch, batches: int, restored: Restored | None, stop
    ) -> None:
        """Fits the epochs that are left, the rest of one that was cut off first."""
        config, folder, checkpoints = self.config, self.folder, self.checkpoints
        steps = checkpoints.steps
        done, part = divmod(batches, steps)
        counter = EpochOfData(epoch, steps)
        counter.batches = batches
        begun = [batches]

        def explain(number: int) -> str:
            """What was not finite in a batch of the latest `fit`, and what is left."""
            at, place = divmod(begun[-1] + number, steps)
            epoch.assign(at)
            again = load_data(
                config, config.train_split, data_dir=self.data_dir, epoch=epoch, start_step=place
            )
            saved = folder.newest_whole()
            kept = f"{saved} is kept" if saved else "nothing was saved yet"
            what = diagnose(vae, next(iter(again)))
            return f"batch {place + 1} of epoch {at + 1}, {what}; {kept}"

        finite = FiniteSteps(config.on_nan, config.nan_cap, explain=explain)
        finite.skipped, self.skipped = self.skipped(), finite.look
        best = None
        if config.keep_best and restored is not None and vae is restored.vae:
            best = checkpoints.restore_best(restored, self.say)
        saving = SaveCheckpoints(
            checkpoints,
            counter,
            interval(config.checkpoint_every),
            keep_best=config.keep_best,
            best=best,
            facts=self.facts,
        )
        callbacks = [
            counter,
            finite,
            self.clock,
            self.metrics,
            self.times,
            *averaging(config.ema_momentum),
            keras.callbacks.TensorBoard(folder.logs, write_graph=False),
            *(panels(config, folder, self.data_dir) if _draws(vae) else ()),
            saving,
            stop,
        ]

        def fit(dataset: tf.data.Dataset, first: int, last: int) -> None:
            begun.append(max(batches, first * steps))
            with stop.fitting():
                vae.fit(
                    dataset,
                    validation_data=test,
                    initial_epoch=first,
                    epochs=last,
                    callbacks=callbacks,
                    verbose=self.verbose,
                )

        try:
            if part:
                counter.go_on_within_epoch(part, restored.record["rest"])
                rest = load_data(
                    config, config.train_split, data_dir=self.data_dir, epoch=epoch, start_step=part
                )
                fit(rest, done, done + 1)
                done += 1
            if done < config.epochs:
                fit(train, done, config.epochs)
        except Interrupted:
            saving.save(vae)
            raise
        if finite.skipped:
            self.say(f"{finite.skipped} steps were not finite and were left out")
        saving.save(vae)

    def finish(self, vae: VAE, train, test) -> dict[str, float]:
        """Saves the model, evaluates it, draws the figures and says where everything is."""
        config, folder, say = self.config, self.folder, self.say
        # Whatever draws from the global seeds from here on draws the same in a resumed run.
        keras.utils.set_random_seed(config.seed)
        if config.ema_momentum is not None:
            take_the_mean(vae)
        vae.latents.finish(vae, train)
        fit_as_configured(config, vae, train)
        with folder.written(folder.model) as part:
            vae.save(part)
        figures = draw_figures(vae, config, folder, self.data_dir) if _draws(vae) else ()
        table = evaluate_likelihood(
            vae,
            test,
            samples=config.evaluation.samples,
            examples=config.evaluation.examples or None,
            seed=config.seed,
        )
        # Written last: with it the run is complete.
        folder.write_json(folder.evaluation, table)
        say("")
        for line in table_lines(table, self.times.rows):
            say(line)
        say("")
        say("figures:")
        for path in figures:
            say(f"  {path}")
        return table
