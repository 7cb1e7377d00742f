"""Running means of named terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from tfvae.lazy import public
from tfvae.options.keywords import MetricOptions, Unpack

__all__ = ["OutsideCount", "Perplexity", "TermMeans"]
__dir__ = public(__all__)


@keras.saving.register_keras_serializable(package="tfvae")
class TermMeans(keras.metrics.Metric):
    """Means of named terms, all held in two vectors: one update a step instead of one a term.

    Args:
        names: Names of the terms; None: they are given to `build` later.
        name: Name of the metric.
        **kwargs: Arguments of `keras.metrics.Metric`.

    Example:
        >>> means = TermMeans(["elbo"])
        >>> means.update_state({"elbo": 6.0}, {"elbo": 3.0})
        >>> float(means.result()["elbo"])
        2.0
    """

    def __init__(
        self,
        names: Sequence[str] | None = None,
        name: str = "terms",
        **kwargs: Unpack[MetricOptions],
    ):
        super().__init__(name=name, **kwargs)
        self.names = None
        if names is not None:
            self.build(names)

    def build(self, names: Sequence[str]) -> None:
        """Makes the state for terms of these names.

        Args:
            names: The names, in the order of the logs.
        """
        self.names = list(names)
        self.totals = self.add_variable((len(self.names),), "zeros", name="totals")
        self.counts = self.add_variable((len(self.names),), "zeros", name="counts")

    def update_state(self, totals: Mapping, counts: Mapping) -> None:
        """Adds the sums over a batch.

        Args:
            totals: The sum of each term over the batch; what is left out stays as it is.
            counts: The number of examples, or the sum of their weights, by term.
        """
        stack = [
            tf.stack([tf.cast(d.get(n, 0.0), self.dtype) for n in self.names])
            for d in (totals, counts)
        ]
        self.totals.assign_add(stack[0])
        self.counts.assign_add(stack[1])

    def result(self) -> dict[str, tf.Tensor]:
        """The means so far, by name."""
        if self.names is None:
            return {}
        means = tf.math.divide_no_nan(tf.convert_to_tensor(self.totals), self.counts)
        return dict(zip(self.names, tf.unstack(means), strict=True))

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "names": self.names}


@keras.saving.register_keras_serializable(package="tfvae")
class OutsideCount(keras.metrics.Metric):
    """How many examples lay outside of the likelihood's support, and since which batch.

    It is no part of the logs: `result` is empty.

    Args:
        name: Name of the metric.
        **kwargs: Arguments of `keras.metrics.Metric`.

    Example:
        >>> count = OutsideCount()
        >>> count.update_state(0)
        >>> count.update_state(2)
        >>> count.read()
        (2, 2)
    """

    def __init__(self, name: str = "outside", **kwargs: Unpack[MetricOptions]):
        super().__init__(name=name, **kwargs)
        self.state = self.add_variable((2,), "zeros", name="state")

    def update_state(self, examples: tf.Tensor) -> None:
        """Adds the number of examples of a batch that lie outside."""
        examples = tf.cast(examples, self.dtype)
        none_yet = tf.equal(tf.convert_to_tensor(self.state)[0] + examples, 0)
        self.state.assign_add(tf.stack([examples, tf.cast(none_yet, self.dtype)]))

    def result(self) -> dict:
        """Nothing for the logs."""
        return {}

    def read(self) -> tuple[int, int]:
        """The number of examples, and that of the first batch with one, from 1.

        On several replicas, the second is the sum over them.
        """
        examples, before = tf.convert_to_tensor(self.state).numpy()
        return int(examples), int(before) + 1


@keras.saving.register_keras_serializable(package="tfvae")
class Perplexity(keras.metrics.Metric):
    """exp(entropy) of how often each of K codes was seen: how many are in use, from 1 to K.

    Args:
        codes: K.
        name: Name of the metric.
        **kwargs: Arguments of `keras.metrics.Metric`.

    Example:
        >>> perplexity = Perplexity(4)
        >>> perplexity.update_state([0, 1, 0, 1])
        >>> float(perplexity.result())
        2.0
    """

    def __init__(self, codes: int, name: str = "perplexity", **kwargs: Unpack[MetricOptions]):
        super().__init__(name=name, **kwargs)
        self.codes = int(codes)
        self.counts = self.add_variable((self.codes,), "zeros", name="counts")

    def update_state(self, codes: tf.Tensor, weights: tf.Tensor | None = None) -> None:
        """Counts codes, integers of any shape; each by its weight where weights are given."""
        one_hot = tf.one_hot(tf.reshape(codes, [-1]), self.codes, dtype=self.dtype)
        if weights is not None:
            one_hot *= tf.cast(tf.reshape(weights, [-1, 1]), self.dtype)
        self.counts.assign_add(tf.reduce_sum(one_hot, axis=0))

    def result(self) -> tf.Tensor:
        """The perplexity of all codes seen so far."""
        counts = tf.convert_to_tensor(self.counts)
        shares = tf.math.divide_no_nan(counts, tf.reduce_sum(counts))
        return tf.exp(-tf.reduce_sum(tf.math.xlogy(shares, shares)))

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "codes": self.codes}
