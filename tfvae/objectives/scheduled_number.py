"""Numbers of an objective that may follow the step, and may be assigned at any time."""

from __future__ import annotations

import numbers

from tfvae.errors import UserError
from tfvae.schedules import Schedule, Scheduled, get

__all__ = ["ScheduledNumber"]


class ScheduledNumber:
    """An attribute of an objective that holds a schedule and takes whatever makes one.

    It is logged, saved with the objective, and may be assigned before and after `compile`: what
    was compiled with the old number is compiled anew.

    Args:
        low: The smallest number that it takes; None: any.
        high: The largest number that it takes; None: any.
        optional: Whether it takes None.
        instead_of: Name of another such attribute: at most one of the two is set.

    Raises:
        UserError: When something else is assigned.

    Example:
        >>> class Warm(tfvae.objectives.Objective):
        ...     beta = ScheduledNumber(low=0.0)
        >>> objective = Warm()
        >>> objective.beta = tfvae.schedules.Linear(0.0, 1.0, steps=100)
        >>> float(objective.beta(50))
        0.5
    """

    def __init__(
        self,
        *,
        low: float | None = None,
        high: float | None = None,
        optional: bool = False,
        instead_of: str | None = None,
    ):
        self._low = low
        self._high = high
        self._optional = optional
        self._instead_of = instead_of

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance, owner: type | None = None) -> Schedule | ScheduledNumber | None:
        if instance is None:
            return self
        try:
            return vars(instance)[self._name]
        except KeyError:
            raise AttributeError(f"{self._name} of {owner.__name__} is not set yet") from None

    def __set__(self, instance, value: Scheduled | None) -> None:
        vars(instance)[self._name] = self._checked(instance, value)

    def _checked(self, instance, value: Scheduled | None) -> Schedule | None:
        if value is None and self._optional:
            return None
        if self._instead_of and vars(instance).get(self._instead_of) is not None:
            names = " and ".join(sorted((self._name, self._instead_of), reverse=True))
            raise UserError(f"{names} exclude each other: give one of them, and None for the other")
        low, high = self._low, self._high
        if low is not None and isinstance(value, numbers.Real) and value < low:
            raise UserError(f"{self._name} takes a number from {low:g}, got {value!r}")
        if high is not None and isinstance(value, numbers.Real) and value > high:
            raise UserError(f"{self._name} takes a number up to {high:g}, got {value!r}")
        return get(value, self._name)
