"""`train_and_evaluate`: a configuration and a folder in, a trained and evaluated model out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import keras
import tensorflow as tf
from ml_collections import ConfigDict

from tfvae import distribute
from tfvae.errors import UserError
from tfvae.evaluation import evaluate_likelihood
from tfvae.training.build import build_model, load_data
from tfvae.training.callbacks import (
    Clock,
    EpochOfData,
    Interrupted,
    MetricsFile,
    StopOnSignal,
    read_metrics,
)
from tfvae.training.checkpoints import (
    Checkpoints,
    restore,
    restore_terms,
    save,
    save_terms,
)
from tfvae.training.config import check_config
from tfvae.training.figures import draw_figures, panels
from tfvae.training.report import table_lines
from tfvae.training.workdir import Workdir, write_whole
from tfvae.vae import VAE

__all__ = ["train_and_evaluate"]


def train_and_evaluate(
    config: ConfigDict,
    workdir: str | os.PathLike,
    *,
    strategy: str = "auto",
    data_dir: str | os.PathLike | None = None,
    verbose: int | str = "auto",
    say: Callable[[str], None] = print,
) -> dict[str, float]:
    """Trains a model, or goes on with one, evaluates it and draws the figures.

    The folder then holds `config.json`, `checkpoints/`, `logs/`, `metrics.csv`, `model.keras`,
    `figures/` and `evaluation.json`. A run that was cut off goes on from its last checkpoint
    exactly as if it had not been.

    Args:
        config: The configuration; see `tfvae.training.default_config`.
        workdir: The folder of the run.
        strategy: `"auto"`, `"one_device"` or `"mirrored"`.
        data_dir: Folder with dataset files.
        verbose: As in `keras.Model.fit`.
        say: Takes the lines that the user should read.

    Returns:
        The likelihood table, as `evaluation.json` has it.

    Raises:
        UserError: If the configuration, the data or the folder do not fit.
        Interrupted: If Ctrl-C or SIGTERM stopped the training; a checkpoint was saved.

    Example:
        >>> config = tfvae.training.default_config()
        >>> config.epochs = 2
        >>> table = tfvae.training.train_and_evaluate(config, "runs/try")
    """
    check_config(config)
    scope = distribute.strategy(strategy)
    if config.xla and isinstance(scope, tf.distribute.MirroredStrategy):
        raise UserError(
            "config.xla=True does not work with several replicas in this TensorFlow: set "
            "config.xla=False or take --strategy=one_device"
        )
    folder = Workdir(workdir)
    # The order of the data is a function of the epoch, which the loop writes down here.
    epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
    train = load_data(config, config.train_split, data_dir=data_dir, epoch=epoch)
    test = load_data(config, config.test_split, data_dir=data_dir)
    steps = int(train.cardinality())
    folder.check(config)
    with scope.scope():
        vae, batches = restore(folder)
        if vae is None:
            vae = build_model(config, data_dir=data_dir)
    total = config.epochs * steps
    if batches >= total and folder.evaluated(config):
        say(
            f"the run in {folder.path} is complete after {batches // steps} epochs: to train on, "
            "raise config.epochs"
        )
        return json.loads(folder.evaluation.read_text())
    folder.claim(config)
    vae.steps_per_execution = config.steps_per_execution
    if batches:
        if folder.saved()[-1][0] != batches:
            say(f"{folder.saved()[-1][1]} is damaged: it is left out")
        say(f"going on from {folder.checkpoint(batches)}")
    if batches < total:
        _train(vae, config, folder, train, test, epoch, batches, data_dir, verbose)
        if folder.saved()[-1:] != [(total, folder.checkpoint(total))]:
            save(vae, folder, total)
    return _finish(vae, config, folder, train, test, data_dir, say)


def _train(vae, config, folder, train, test, epoch, batches, data_dir, verbose) -> None:
    """Fits the epochs that are left, the rest of one that was cut off first."""
    steps = int(train.cardinality())
    done, part = divmod(batches, steps)
    clock, counter, stop = Clock(config.batch_size), EpochOfData(epoch, steps), StopOnSignal()
    callbacks = [
        counter,
        clock,
        MetricsFile(folder.metrics, clock, epochs_done=done),
        keras.callbacks.TensorBoard(folder.logs, write_graph=False),
        *panels(config, folder, data_dir),
        Checkpoints(folder, config.checkpoint_every, steps),
        stop,
    ]

    def fit(dataset: tf.data.Dataset, first: int, last: int) -> None:
        vae.fit(
            dataset,
            validation_data=test,
            initial_epoch=first,
            epochs=last,
            callbacks=callbacks,
            verbose=verbose,
        )

    try:
        with stop.listening():
            if part:
                counter.go_on_within_epoch(part, restore_terms(folder, batches))
                fit(train.skip(part), done, done + 1)
                done += 1
            if done < config.epochs:
                fit(train, done, config.epochs)
    except Interrupted:
        if counter.batches % steps:
            save_terms(vae, folder, counter.batches)
        save(vae, folder, counter.batches)
        raise


def _finish(vae: VAE, config, folder: Workdir, train, test, data_dir, say) -> dict[str, float]:
    """Saves the model, evaluates it, draws the figures and says where everything is."""
    vae.prior_layer.finish(vae, train)
    vae.save(folder.model)
    figures = draw_figures(vae, config, folder, data_dir)
    table = evaluate_likelihood(
        vae,
        test,
        samples=config.evaluation.samples,
        examples=config.evaluation.examples or None,
        seed=config.seed,
    )
    # The last file: with it the run is complete.
    write_whole(folder.evaluation, json.dumps(table, indent=2) + "\n")
    say("")
    for line in table_lines(table, read_metrics(folder.metrics)):
        say(line)
    say("")
    say("figures:")
    for path in figures:
        say(f"  {path}")
    return table
