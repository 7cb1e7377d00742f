"""Where each cell of a gallery lies, in pixels."""

from __future__ import annotations

import dataclasses

__all__ = ["Grid"]


@dataclasses.dataclass(frozen=True)
class Grid:
    """Rows and columns of equal cells with gaps between them; all lengths are in pixels.

    Attributes:
        rows: Number of rows.
        columns: Number of columns.
        height: Height of a cell.
        width: Width of a cell.
        gap: Distance of neighbours.
        group: Rows that belong together: after each `group` rows the distance is `group_gap`.
        group_gap: Distance of two groups of rows.

    Example:
        >>> Grid(rows=2, columns=3, height=8, width=8, gap=2).shape
        (18, 28)
    """

    rows: int
    columns: int
    height: int
    width: int
    gap: int = 1
    group: int = 1
    group_gap: int | None = None

    def top(self, row: int) -> int:
        """First pixel row of a row of cells."""
        wider = (self.gap if self.group_gap is None else self.group_gap) - self.gap
        return row * (self.height + self.gap) + (row // self.group) * wider

    def left(self, column: int) -> int:
        """First pixel column of a column of cells."""
        return column * (self.width + self.gap)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the whole, without a margin."""
        return self.top(self.rows - 1) + self.height, self.left(self.columns - 1) + self.width
