"""The codes of a data set: what a prior is fitted to after the training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.data.batches import unpack
from tfvae.data.counting import number_of_examples
from tfvae.data.tables import dense
from tfvae.distribute import as_seed, fold_in
from tfvae.distributions.moments import mean_of, stddev_of
from tfvae.errors import UserError

tfd = tfp.distributions

__all__ = ["codes_of", "moments_of"]

CODES = 20_000  # draws of all examples together, where there are fewer examples
BATCH = 256  # examples that are encoded at once, where the data are an array
MOST_COPIES = 10  # of the data set's examples, where their weights are no whole numbers


def codes_of(
    vae,
    data: tf.data.Dataset | np.ndarray,
    *,
    codes: Literal["draws", "means"] = "draws",
    draws: int | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Encodes a data set in one pass.

    An example of weight w is there w times: as exactly as whole copies allow, which is exact where
    the weights are whole numbers.

    Args:
        vae: The model; its z is one group.
        data: Batches of x, (x, context) or (x, context, sample_weight); or an array of x.
        codes: `"draws"` of q(z|x), or its `"means"`.
        draws: Draws for each example; None: as many as make `CODES` of all examples, or one.
        seed: Seed of the draws.

    Returns:
        The codes, `[N, *event]`, and which example each is of, `[N]`.

    Raises:
        UserError: If there are no examples, their number is infinite, or a code is not finite.

    Example:
        >>> z, examples = tfvae.latents.codes.codes_of(vae, test, draws=2)
        >>> z.shape[1:], len(z) == 2 * len(set(examples))
        ((2,), True)
    """
    if codes not in ("draws", "means"):
        raise UserError(f"codes takes 'draws' or 'means', got {codes!r}")
    if draws is not None and (draws != int(draws) or draws < 1):
        raise UserError(f"draws takes an integer from 1, got {draws!r}")
    if draws is None and codes == "draws":
        count = number_of_examples(data) or sum(len(unpack(batch)[0]) for batch in _batches(data))
        draws = max(1, round(CODES / max(1, count)))

    def look(posterior: tfd.Distribution, seed: tf.Tensor) -> tuple[tf.Tensor]:
        if codes == "means":
            return (mean_of(posterior)[:, None],)
        z = posterior.sample(draws, seed=seed)
        return (tf.transpose(z, [1, 0, *range(2, z.shape.rank)]),)

    (z,), examples = _looked_at(vae, data, look, seed)
    return np.reshape(z, [-1, *z.shape[2:]]), np.repeat(examples, z.shape[1])


def moments_of(
    vae, data: tf.data.Dataset | np.ndarray, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the covariance of the posterior of each example.

    Args:
        vae: The model; its z is one vector.
        data: As for `codes_of`.
        seed: Unused where the posterior has them in closed form.

    Returns:
        The means, `[N, d]`, and the covariances, `[N, d, d]`; or the variances, `[N, d]`, where
        the elements of z are independent.
    """

    def look(posterior: tfd.Distribution, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        full = isinstance(posterior, tfd.MultivariateNormalLinearOperator)
        if full:
            return posterior.mean(), posterior.covariance()
        return mean_of(posterior), tf.square(stddev_of(posterior))

    return _looked_at(vae, data, look, seed)[0]


def _looked_at(vae, data, look: Callable, seed: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """What `look(posterior, seed)` gives for each example, `[N, ...]` each, and which it is of."""

    def of_batch(x, context, seed):
        return look(vae.encode(x, context), seed)

    of_batch, noise = tf.function(of_batch, reduce_retracing=True, autograph=False), as_seed(seed)
    found, weights = [], []
    for number, batch in enumerate(_batches(data)):
        x, context, weight, *_ = vae.inputs_of(batch)
        found.append([part.numpy() for part in of_batch(x, context, fold_in(noise, number))])
        weights.append(np.ones(len(x)) if weight is None else np.asarray(weight, np.float64))
    if not found or not sum(map(len, weights)):
        raise UserError("there is no example to fit a prior to: the data set is empty")
    parts = [np.concatenate(part) for part in zip(*found, strict=True)]
    if not all(np.isfinite(part).all() for part in parts):
        raise UserError("a posterior is not finite: the training diverged, take a checkpoint of it")
    rows = _copies(np.concatenate(weights))
    return tuple(part[rows] for part in parts), rows


def _batches(data: tf.data.Dataset | np.ndarray) -> Iterable:
    if not isinstance(data, tf.data.Dataset):
        if not hasattr(data, "shape"):
            raise UserError(
                f"data takes a tf.data.Dataset or an array of x, got {type(data).__name__}"
            )
        return (dense(data[i : i + BATCH]) for i in range(0, data.shape[0], BATCH))
    if data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise UserError("the data set repeats without end: give one pass of it, as of take(...)")
    return data


def _copies(weights: np.ndarray) -> np.ndarray:
    """Which example stands in each row, so that each is there in proportion to its weight.

    Rows at equal distances along the cumulative weights: an example of weight w is there
    w N' / Σw times, rounded up or down, and exactly so where that is a whole number.

    Args:
        weights: `[N]`.

    Returns:
        Indices, `[N']`.
    """
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
        raise UserError("sample weights are to be finite, from 0, and not all of them 0")
    if (weights == weights[0]).all():
        return np.arange(len(weights))
    total = weights.sum()
    count = total / weights[weights > 0].min()
    count = int(np.clip(np.rint(count), 1, MOST_COPIES * len(weights)))
    points = (np.arange(count) + 0.5) * total / count
    return np.searchsorted(np.cumsum(weights), points)
