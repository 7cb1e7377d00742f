"""Masks that make a dense network autoregressive."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tfvae.errors import UserError, unknown_name

__all__ = ["autoregressive_masks"]


def autoregressive_masks(
    event_size: int,
    hidden_units: Sequence[int],
    *,
    input_order: str | Sequence[int] = "left-to-right",
    hidden_degrees: str = "equal",
    seed: int | None = None,
) -> list[np.ndarray]:
    """Makes the masks of a network whose output i sees only the inputs before i in the order.

    Every unit has a degree. A hidden unit sees units of a degree up to its own, an output unit
    those of a degree below its own.

    Args:
        event_size: Number of inputs D.
        hidden_units: Units of each hidden layer.
        input_order: `"left-to-right"`, `"right-to-left"`, `"random"`, or the place of each input
            in the order, a permutation of 1, ..., D.
        hidden_degrees: `"equal"`: degrees spread evenly; `"random"`.
        seed: Of what is random.

    Returns:
        A boolean array `[inputs, outputs]` for each hidden layer and for the output layer.

    Example:
        >>> autoregressive_masks(3, [])[0].astype(int).tolist()
        [[0, 1, 1], [0, 0, 1], [0, 0, 0]]

    References:
        Germain et al., "MADE: Masked Autoencoder for Distribution Estimation", 2015, Eq. 8-13.
    """
    rng = np.random.default_rng(seed)
    orders = {
        "left-to-right": lambda: np.arange(1, event_size + 1),
        "right-to-left": lambda: np.arange(event_size, 0, -1),
        "random": lambda: rng.permutation(event_size) + 1,
    }
    if not isinstance(input_order, str):
        order = np.asarray(input_order)
        if sorted(order.tolist()) != list(range(1, event_size + 1)):
            raise UserError(
                f"input_order takes a permutation of 1, ..., {event_size}, got {input_order!r}"
            )
    elif input_order in orders:
        order = orders[input_order]()
    else:
        raise unknown_name("input_order", input_order, orders)
    if hidden_degrees not in ("equal", "random"):
        raise unknown_name("hidden_degrees", hidden_degrees, ["equal", "random"])
    degrees = [order]
    for units in hidden_units:
        # A unit of degree D would feed no output, one below the smallest degree would see no input.
        least = min(degrees[-1].min(), event_size - 1)
        if hidden_degrees == "random":
            degrees.append(rng.integers(least, max(event_size, least + 1), size=units))
        else:
            even = np.ceil(np.arange(1, units + 1) * (event_size - 1) / (units + 1))
            degrees.append(np.maximum(least, even.astype(int)))
    inner = [a[:, None] <= b for a, b in pairwise(degrees)]
    return [*inner, degrees[-1][:, None] < order]
