"""The figures of a run: as PNG files at its end, in TensorBoard as it goes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from absl import logging
from ml_collections import ConfigDict

from tfvae import plots
from tfvae.errors import UserError
from tfvae.runs.build import data_info, is_conditional, load_data
from tfvae.runs.panels import Panels
from tfvae.runs.workdir import Workdir
from tfvae.vae import VAE

__all__ = ["draw_figures", "panels"]

EXAMPLES = 2000


def _examples(config: ConfigDict, data_dir) -> dict:
    """Test examples with what a figure wants to know of them."""
    info = data_info(config, data_dir)
    labelled = info.classes is not None
    batches = load_data(config, config.test_split, data_dir=data_dir, labels=labelled)
    xs, labels = [], []
    for batch in batches:
        x, label = batch if labelled else (batch, None)
        xs.append(x.numpy())
        labels.append(None if label is None else label.numpy())
        if sum(map(len, xs)) >= EXAMPLES:
            break
    return {
        "x": np.concatenate(xs)[:EXAMPLES],
        "labels": np.concatenate(labels)[:EXAMPLES] if labelled else None,
        "names": info.classes,
    }


def _context(config: ConfigDict, some: dict) -> np.ndarray | None:
    """What the model is conditioned on, for each example: its label, or nothing."""
    return some["labels"] if is_conditional(config) else None


def panels(
    config: ConfigDict, workdir: Workdir, data_dir: str | os.PathLike | None = None
) -> list[Panels]:
    """The callback that draws in TensorBoard, if the configuration wants it.

    Args:
        config: The configuration.
        workdir: The folder of the run.
        data_dir: Folder with dataset files.

    Returns:
        A list of one callback or none.
    """
    if not config.panels_every:
        return []
    some = _examples(config, data_dir)
    some["context"] = _context(config, some)
    return [Panels(workdir.logs / "panels", every=config.panels_every, **some)]


def draw_figures(
    vae: VAE, config: ConfigDict, workdir: Workdir, data_dir: str | os.PathLike | None = None
) -> list[Path]:
    """Draws all figures of a run.

    Args:
        vae: The model.
        config: The configuration.
        workdir: The folder of the run.
        data_dir: Folder with dataset files.

    Returns:
        The files; a figure that the model has not, of discrete codes for one, is left out with a
        line in the log.
    """
    some = _examples(config, data_dir)
    x, context = some["x"], _context(config, some)
    common = {"context": context}
    if context is not None:
        common["names"] = some["names"]
    sheet = {"n": 64}
    if context is not None:  # a row for each class
        sheet = {"n": 8 * len(some["names"]), "columns": 8}
        sheet |= {"context": np.repeat(np.arange(len(some["names"])), 8), "names": some["names"]}
    figures = {
        "reconstructions": lambda: plots.reconstructions(vae, x, seed=config.seed, **common),
        "samples": lambda: plots.samples(vae, seed=config.seed, **sheet),
        "latent_plane": lambda: plots.latent_plane(
            vae, x, some["labels"], names=some["names"], context=context
        ),
        "traversals": lambda: plots.traversals(vae, x, **common),
        "training_curves": lambda: plots.training_curves(workdir.metrics),
    }
    files = []
    for name, draw in figures.items():
        try:
            figure = draw()
        except UserError as error:  # not every figure is of every model
            logging.info("no figure %r: %s", name, error)
        else:
            files.append(plots.save(figure, workdir.figures / f"{name}.png"))
    return files
