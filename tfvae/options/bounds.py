"""Types of arguments that say within which bounds a number has to lie.

A signature such as `def iwae(samples: Count = 5)` is all that the command line needs to refuse
`samples=0` in a line, before TensorFlow is imported. For a type checker they are plain numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

__all__ = [
    "LAYERS",
    "NUMBER",
    "UNITS",
    "Bits",
    "Blocks",
    "Bounds",
    "Count",
    "Depth",
    "Examples",
    "Freedom",
    "Levels",
    "Momentum",
    "Number",
    "Positive",
    "Seed",
    "Share",
    "Weight",
    "Widths",
]

LAYERS = 1000
UNITS = 10**6  # the largest layer; also of examples in a batch, and samples
NUMBER = 10**9  # the largest of any other number: epochs, steps


class Bounds(NamedTuple):
    """Where a number has to lie; of a sequence, every number in it.

    Attributes:
        low: The smallest number that is allowed.
        high: The largest one.
        above: Whether `low` itself is too small.
        below: Whether `high` itself is too large.
    """

    low: float = -NUMBER
    high: float = NUMBER
    above: bool = False
    below: bool = False

    def hold(self, value: float) -> bool:
        """Whether a number lies within them; NaN does not."""
        low = self.low < value if self.above else self.low <= value
        return bool(low and (value < self.high if self.below else value <= self.high))

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.above else f"from {self.low:.15g}"
        high = f"below {self.high:g}" if self.below else f"to {self.high:.15g}"
        return low if self.high == NUMBER else f"{low} {high}"


Count = Annotated[int, Bounds(1, UNITS)]  # units, channels, samples
Depth = Annotated[int, Bounds(1, LAYERS)]  # layers, steps of a flow
Bits = Annotated[int, Bounds(1, 24)]
Blocks = Annotated[int, Bounds(0, LAYERS)]
Examples = Annotated[int, Bounds(1)]
Number = Annotated[int, Bounds(0)]  # steps, epochs
Momentum = Annotated[float, Bounds(0, 1, below=True)]
Seed = Annotated[int, Bounds(0, 2**32 - 1)]
Weight = Annotated[float, Bounds(0)]  # of a term in a loss
Positive = Annotated[float, Bounds(0, above=True)]
Freedom = Annotated[float, Bounds(1, above=True)]  # degrees of freedom, where there is a mean
Share = Annotated[float, Bounds(0, 1)]
Levels = Annotated[int, Bounds(2, 1000)]
Widths = Annotated[Sequence[int], Bounds(1, UNITS)]  # units of one layer after the other
