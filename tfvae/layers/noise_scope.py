"""The noise inside networks as a function of the caller's seed."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator

import keras
import tensorflow as tf

from tfvae.distribute import as_seed, fold_in
from tfvae.distributions.keras_compat import seed_states
from tfvae.distributions.tf_compat import graphs_outwards, is_function

__all__ = ["noise", "noise_seed"]

# Folded into the seed: noise inside networks differs from other draws of the same seed.
NETWORKS = 0x6E657473


@dataclasses.dataclass
class _Scope:
    seed: tf.Tensor
    graph: tf.Graph | None
    draws: int = 0


_SCOPE: contextvars.ContextVar[_Scope | None] = contextvars.ContextVar("noise", default=None)


@contextlib.contextmanager
def noise(seed: int | tf.Tensor | None, *networks: keras.layers.Layer) -> Iterator[None]:
    """Makes all noise that layers draw while the block runs a function of `seed`.

    Draw number i takes the seed fold_in(seed, i), counted in the order of the calls: Bayesian
    layers, samples that pass between layers, Monte Carlo estimates of a KL. There is no state
    beside the seed, so a step can be repeated, and resumed exactly; with a seed of its own each
    replica has noise of its own. It works in graphs and under XLA.

    The seed generators of Keras's own layers (`Dropout`, `GaussianNoise`) in `networks` are set
    from the seed when the block begins.

    The body of a `tf.function` of a user's own inside the block, which may have been traced
    before, draws as it does without a scope. In the body of a loop in the graph, such as
    `tf.map_fn`, a layer draws the same noise in each turn.

    Args:
        seed: An integer or a stateless seed, int32 `[2]`; None: the block draws as it would
            without this one.
        *networks: Layers or models, built, whose Keras seed generators are set as well.

    Example:
        >>> layer = DenseFlipout(3)
        >>> def call():
        ...     with noise(1):
        ...         return layer(tf.ones([2, 5]))
        >>> bool(tf.reduce_all(call() == call()))
        True
    """
    if seed is None:
        yield
        return
    seed = fold_in(as_seed(seed), NETWORKS)
    states = [state for network in networks for state in seed_states(network)]
    for number, state in enumerate(states):
        # Keras counts up from here; its seeds have no sign bit.
        fresh = tf.bitwise.bitwise_and(fold_in(seed, -1 - number), 0x7FFFFFFF)
        state.assign(tf.cast(fresh, state.dtype))
    token = _SCOPE.set(_Scope(seed, next(graphs_outwards())))
    try:
        yield
    finally:
        _SCOPE.reset(token)


def noise_seed() -> tf.Tensor | None:
    """A stateless seed for one draw of a layer.

    Returns:
        int32 `[2]`, another one in each call; None where no block of `noise` runs, or in a
        `tf.function` inside of one: then the draw is to be fresh.

    Example:
        >>> noise_seed() is None
        True
    """
    scope = _SCOPE.get()
    if scope is None:
        return None
    for graph in graphs_outwards():
        if graph is scope.graph:
            scope.draws += 1
            return fold_in(scope.seed, scope.draws)
        if is_function(graph):
            return None
    return None
