"""The figures in TensorBoard, as training goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from matplotlib.figure import Figure

from tfvae import plots
from tfvae.errors import UserError
from tfvae.plots.ask import check_length
from tfvae.plots.kinds import as_array
from tfvae.plots.labels import labels_of
from tfvae.plots.rate_bars import draw_rates
from tfvae.plots.walk import mean_rates

__all__ = ["Panels"]


class Panels(keras.callbacks.Callback):
    """Writes reconstructions, samples, the latent plane, traversals and rates to TensorBoard.

    Beside the images, the rate of each latent dimension (its KL to the prior, nats) is written as
    a histogram. Drawing uses random numbers of its own, so training with and without panels gives
    the same weights. A panel that cannot be drawn is reported once in the log, and training goes
    on.

    Args:
        log_dir: TensorBoard's folder for the run.
        x: Examples to draw, `[B, *event]`; a few hundred are enough.
        labels: Their classes or values, `[B]`, for the latent plane.
        context: What the model is conditioned on, `[B, ...]`, or None.
        every: Epochs from one drawing to the next; the first epoch is drawn.
        names: Names of the classes.
        samples: Number of samples from the prior (with a context, at most B: its first entries).
        dims: Rows of the traversals.
        levels: Images have the values 0 to `levels - 1`; None: what the likelihood says, else
            they are in [0, 1].
        seed: Seed of the samples: the same draws of z in each epoch.

    Example:
        >>> vae.fit(train, epochs=1, callbacks=[Panels("runs/a/logs", x[:500], y[:500])])
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        x: Any,
        labels: Any = None,
        *,
        context: Any = None,
        every: int = 1,
        names: Sequence[str] | None = None,
        samples: int = 64,
        dims: int = 10,
        levels: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if every < 1:
            raise UserError(f"every={every}: give the number of epochs between panels, 1 or more")
        self.log_dir = os.fspath(log_dir)
        self.x = as_array(x)
        check_length("labels", labels, len(self.x))
        check_length("context", context, len(self.x))
        self.labels, self.context, self.names = labels, context, names
        self.every, self.samples, self.dims = every, samples, dims
        self.levels, self.seed = levels, seed
        self._writer: Any = None
        self._reported: set[str] = set()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Draws, after the first epoch and each `every` epochs from there."""
        if epoch % self.every == 0:
            for name, draw in self._panels().items():
                self._write(name, draw, epoch)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Closes the file; a further `fit` opens another."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _panels(self) -> dict[str, Callable[[], Figure | np.ndarray]]:
        """What is written: a figure as an image, an array as a histogram."""
        vae, x, common = self.model, self.x, {"context": self.context}
        # The names are those of `labels`, which the context may be or not.
        told = labels_of(self.context) is not None and labels_of(self.labels) is not None
        told = told and labels_of(self.context) == labels_of(self.labels)
        images = common | {"levels": self.levels, "names": self.names if told else None}
        rates: list[np.ndarray] = []

        def rate() -> np.ndarray:
            if not rates:  # once for the histogram and the bars
                rates.append(mean_rates(vae, x, self.context)[0])
            return rates[0]

        def samples() -> Figure:
            if self.context is None:
                return plots.samples(vae, self.samples, seed=self.seed, levels=self.levels)
            n = min(self.samples, len(x))
            context = tf.nest.map_structure(lambda part: part[:n], self.context)
            return plots.samples(vae, n, seed=self.seed, **{**images, "context": context})

        return {
            "reconstructions": lambda: plots.reconstructions(vae, x, **images),
            "samples": samples,
            "latent_plane": lambda: plots.latent_plane(
                vae, x, self.labels, names=self.names, **common
            ),
            "traversals": lambda: plots.traversals(vae, x, dims=self.dims, **images),
            "rate_per_dimension": rate,
            "rates": lambda: draw_rates(rate()),
        }

    def _write(self, name: str, draw: Callable[[], Figure | np.ndarray], epoch: int) -> None:
        # No failure in drawing may end a training of hours.
        try:
            made = draw()
            if self._writer is None:
                self._writer = tf.summary.create_file_writer(self.log_dir)
            with self._writer.as_default(), tf.summary.record_if(True):
                if isinstance(made, Figure):
                    tf.summary.image(name, plots.to_image(made)[None], step=epoch)
                else:
                    tf.summary.histogram(name, made, step=epoch)
            self._writer.flush()
        except UserError as error:  # not every figure is of every model
            logging.info("TensorBoard has no panel %r: %s", name, error)
        except Exception as error:
            if name not in self._reported:
                self._reported.add(name)
                logging.warning("TensorBoard has no panel %r: %s", name, error)
