"""What an element of the data is, and how a step makes its batch of it."""

from __future__ import annotations

import tensorflow as tf

from tfvae.data.parallelism import without_tuning
from tfvae.data.rows import MadeOfRows, Rows, rows_of
from tfvae.distribute import workers
from tfvae.trainer import keras_compat

__all__ = ["InputPath"]


class InputPath:
    """The way of the data from what `fit`, `evaluate` and `predict` are given into a step.

    An element is a batch, or the rows that the step makes its batch of: a data set in memory then
    costs the pipeline next to nothing. A step sees batches in either case, a user's own
    `train_step` too. Rows are for one device, and for the CPU: replicas share batches out, and for
    a GPU the pipeline makes them meanwhile.

    Args:
        strategy: The model's strategy.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self._strategy = strategy
        self.made: MadeOfRows | None = None

    def training(self, data, *, rows: bool = True):
        """What is handed to Keras's `fit`.

        Args:
            data: What `fit` was given; anything but a `tf.data.Dataset` is returned as it is.
            rows: Whether an element may be rows.

        Returns:
            The data set, of rows where that can be. `made` then says how a batch is made of them.
        """
        known = rows_of(data) if rows and self._makes_batches else None
        if known is not None:
            self.made = known
            return self.shared(known.rows)
        return self.shared(data)

    @property
    def _makes_batches(self) -> bool:
        one = self._strategy.num_replicas_in_sync == 1
        return one and not tf.config.list_physical_devices("GPU")

    def shared(self, data):
        """What is handed to Keras: data that each replica and each worker sees its own part of.

        tf.data's tuning is off, unless the data set's options ask for it: dropping an iterator at
        the end of an epoch joins the tuner's thread, which sometimes sleeps on for seconds. What
        says `AUTOTUNE` stays parallel, by as many threads as there are cores, 16 at most.

        Args:
            data: A data set; anything else is returned as it is.
        """
        data = workers.shared(data, self._strategy)
        plain = isinstance(data, tf.data.Dataset) and data.options().autotune.enabled is None
        return without_tuning(data) if plain else data

    def arrays(
        self, x, y=None, weights=None, *, batch_size=None, steps=None, shuffle=False
    ) -> tuple:
        """What is handed to Keras for arrays: the data set that it makes of them, without tuning.

        The batches and their order are Keras's own, whatever the seed. On several workers Keras
        is left to share the arrays out.

        Args:
            x: An array; anything else is returned as it is.
            y: The contexts beside it.
            weights: The sample weights beside it.
            batch_size: As in `fit`.
            steps: Steps in an epoch, where the caller has said so.
            shuffle: As in `fit`.

        Returns:
            x, the contexts, the weights and the batch size, as Keras takes them.
        """
        made = None
        if not workers.several_workers(self._strategy):
            made = keras_compat.array_batches(
                x, y, weights, batch_size=batch_size, steps=steps, shuffle=shuffle
            )
        if made is None:
            return x, y, weights, batch_size
        return without_tuning(made), None, None, None

    def batch(self, element):
        """The batch of an element of the data, inside a graph or not."""
        return self.made.batch(element) if isinstance(element, Rows) else element
