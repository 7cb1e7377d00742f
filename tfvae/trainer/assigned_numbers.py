"""Compiled steps are compiled again after a number of the objective was assigned."""

from __future__ import annotations

from collections.abc import Callable

from tfvae.objectives import Objective

__all__ = ["with_assigned_numbers"]


def with_assigned_numbers(objective: Objective, make: Callable[[], Callable]) -> Callable:
    """A compiled function that always computes with the objective's present numbers.

    Numbers are constants of a graph: after `objective.beta = 0.5`, by a callback in the middle of
    `fit` as well, the function is made and traced again. For a number that changes all the time a
    schedule costs nothing.

    Args:
        objective: The objective that the function evaluates.
        make: Makes the compiled function of an iterator.

    Returns:
        The function of an iterator.
    """
    made, assigned = None, None

    def function(iterator):
        nonlocal made, assigned
        if made is None or assigned != objective.assigned:
            made = make()
        logs = made(iterator)
        # What the objective itself sets while it is traced does not count.
        assigned = objective.assigned
        return logs

    return function
