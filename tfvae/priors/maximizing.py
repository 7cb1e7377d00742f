"""Maximum likelihood by Adam, for priors that are fitted to codes, stopped on codes held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from tfvae.distribute import as_seed, fold_in
from tfvae.errors import UserError

if TYPE_CHECKING:
    from tfvae.priors.base import Prior

__all__ = ["maximize", "rows_of_steps"]

EVERY = 10  # steps between two looks at the codes that are held out
PATIENCE = 20  # looks without a better one, after which the fit ends
HELD_OUT = 10  # one example of so many
LOOKED_AT = 1024  # codes held out that are looked at, at most


def maximize(
    prior: Prior,
    z: np.ndarray,
    examples: np.ndarray | None = None,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> None:
    """Raises the mean of `prior.score(z)`, see `Prior.fit`.

    Args:
        prior: The prior; it is built if it is not yet.
        z: Codes, `[N, *event]`.
        examples: Which example each code is of, `[N]`; None: each is of one of its own.
        steps: Steps of Adam at most.
        batch_size: Codes in a step.
        learning_rate: Of Adam, falling to zero along a cosine.
        seed: Seed of the order of the codes, and of the noise of a score that is estimated.
    """
    for name, value in [("steps", steps), ("batch_size", batch_size)]:
        if value != int(value) or value < 1:
            raise UserError(f"{name} takes an integer from 1, got {value!r}")
    if not learning_rate > 0:
        raise UserError(f"learning_rate takes a number above 0, got {learning_rate!r}")
    z = np.asarray(z, prior.variable_dtype)
    if not prior.built:
        prior.build(z.shape[1:])
    # A copy is trained: on one device, whatever the strategy of the model is, and of a layer whose
    # weights another optimizer leaves alone.
    copy = type(prior).from_config({**prior.get_config(), "trainable": True})
    copy.build(prior.event_shape)
    copy.set_weights(prior.get_weights())
    weights = copy.trainable_variables
    if not weights:
        raise UserError(
            f"{type(prior).__name__} has no weights that are fitted to codes: take a prior that "
            "has, such as MixtureOfNormals"
        )
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=100.0)
    optimizer.build(weights)

    def step(z, seed):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(copy.score(z, seed))
        optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        return loss

    step, score = (
        tf.function(function, autograph=False, jit_compile=False) for function in (step, copy.score)
    )
    noise, (z, held_out) = as_seed(seed), _split(z, examples, seed)
    best, since = (-np.inf, prior.get_weights()), 0
    for number, rows in enumerate(rows_of_steps(len(z), steps, min(batch_size, len(z)), seed)):
        loss = step(z[rows], fold_in(noise, number))
        if number % EVERY and number < steps - 1:
            continue
        if not np.isfinite(loss):
            raise UserError(
                f"the fit of {type(prior).__name__} is not finite by step {number + 1}: take a "
                f"lower learning_rate than {learning_rate!r}"
            )
        since += 1
        reached = float(np.mean(score(held_out, noise))) if len(held_out) else float(number)
        if reached > best[0]:
            best, since = (reached, copy.get_weights()), 0
        if since == PATIENCE:
            break
    prior.set_weights(best[1])


def _split(z: np.ndarray, examples: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The codes that are trained on, and those of the examples that are held out.

    A flow gives the codes of few examples any density that it likes, and that of others none.
    """
    rng = np.random.default_rng([seed, 1])
    examples = np.arange(len(z)) if examples is None else np.asarray(examples)
    known = np.unique(examples)
    out = np.isin(examples, rng.permutation(known)[: len(known) // HELD_OUT])
    return z[~out], rng.permutation(z[out])[:LOOKED_AT]


def rows_of_steps(count: int, steps: int, batch_size: int, seed: int) -> np.ndarray:
    """Which examples are in the batch of each step: one permutation after the other.

    tf.data's `shuffle` mixes in the global seed, and a resumed run has another one.

    Args:
        count: How many examples there are.
        steps: Steps.
        batch_size: Examples in a step, at most `count`.
        seed: Seed of the permutations.

    Returns:
        `[steps, batch_size]`.
    """
    rng = np.random.default_rng(seed)
    passes = -(-steps * batch_size // count)
    order = np.concatenate([rng.permutation(count) for _ in range(passes)])
    return order[: steps * batch_size].reshape([steps, batch_size])
