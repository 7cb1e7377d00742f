"""Running means of named terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from tfvae.lazy import public
from tfvae.options.keywords import MetricOptions, Unpack

__all__ = ["CodeUsage", "OutsideCount", "Perplexity", "TermMeans"]
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

    Where a position has several codes, the entropy is the mean of theirs.

    Args:
        codes: K.
        name: Name of the metric.
        depth: Codes of a position, each counted by itself.
        **kwargs: Arguments of `keras.metrics.Metric`.

    Example:
        >>> perplexity = Perplexity(4)
        >>> perplexity.update_state([0, 1, 0, 1])
        >>> float(perplexity.result())
        2.0
    """

    def __init__(
        self,
        codes: int,
        name: str = "perplexity",
        *,
        depth: int = 1,
        **kwargs: Unpack[MetricOptions],
    ):
        super().__init__(name=name, **kwargs)
        self.codes, self.depth = int(codes), int(depth)
        self.counts = self.add_variable((self.depth * self.codes,), "zeros", name="counts")

    def update_state(self, codes: tf.Tensor, weights: tf.Tensor | None = None) -> None:
        """Counts codes, integers of any shape; each by its weight where weights are given.

        Where a position has several codes, they are beside each other.
        """
        codes = tf.reshape(tf.cast(codes, tf.int32), [-1, self.depth])
        codes = tf.reshape(codes + self.codes * tf.range(self.depth), [-1])
        each = tf.ones_like(codes, self.dtype) if weights is None else weights
        each = tf.cast(tf.reshape(each, [-1]), self.dtype)
        # Not one-hot vectors: there may be 2^18 codes.
        self.counts.assign_add(tf.math.unsorted_segment_sum(each, codes, self.depth * self.codes))

    def result(self) -> tf.Tensor:
        """The perplexity of all codes seen so far."""
        counts = tf.reshape(tf.convert_to_tensor(self.counts), [self.depth, self.codes])
        shares = tf.math.divide_no_nan(counts, tf.reduce_sum(counts, axis=-1, keepdims=True))
        return tf.exp(-tf.reduce_sum(tf.math.xlogy(shares, shares)) / self.depth)

    def get_config(self) -> dict:
        """Configuration for saving."""
        return {**super().get_config(), "codes": self.codes, "depth": self.depth}


@keras.saving.register_keras_serializable(package="tfvae")
class CodeUsage(Perplexity):
    """The share of K codes that were seen at all, from 0 to 1: the rest are dead.

    Args:
        codes: K.
        name: Name of the metric.
        depth: Codes of a position, each counted by itself.
        **kwargs: Arguments of `keras.metrics.Metric`.

    Example:
        >>> usage = CodeUsage(4)
        >>> usage.update_state([0, 1, 0, 1])
        >>> float(usage.result())
        0.5
    """

    def __init__(
        self, codes: int, name: str = "usage", *, depth: int = 1, **kwargs: Unpack[MetricOptions]
    ):
        super().__init__(codes, name, depth=depth, **kwargs)

    def result(self) -> tf.Tensor:
        """The share of codes seen so far, of those of all depths."""
        return tf.reduce_mean(tf.cast(tf.convert_to_tensor(self.counts) > 0, self.dtype))
