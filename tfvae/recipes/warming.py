"""The weight of the rate that rises from zero, where a model would not use z without that."""

from __future__ import annotations

import inspect
import numbers

from tfvae.objectives import Objective
from tfvae.options import find
from tfvae.schedules import Linear, Scheduled

__all__ = ["warmed"]


def _takes_beta(objective: object) -> bool:
    """Whether an objective that is yet to be made has a weight of the rate."""
    if isinstance(objective, Objective):
        return False
    if isinstance(objective, str):
        return "beta" in find("objective", objective).arguments
    return objective is None or "beta" in inspect.signature(objective).parameters


def warmed(
    beta: float | Scheduled | None, objective: object, steps: int
) -> float | Scheduled | None:
    """A line from zero to beta, where that is a number and the objective takes it.

    Args:
        beta: Weight of the rate; None: 1, or what the objective has.
        objective: As in `vae`.
        steps: Length of the line; 0: none.

    Returns:
        The schedule; or beta, as it is.

    Example:
        >>> float(warmed(None, None, 10)(5))
        0.5
    """
    if steps and (beta is None or isinstance(beta, numbers.Real)) and _takes_beta(objective):
        return Linear(0.0, 1.0 if beta is None else beta, steps)
    return beta
