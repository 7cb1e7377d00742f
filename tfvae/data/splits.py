"""Split names and slices of them, written as tensorflow_datasets writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tfvae.errors import UserError, unknown_name

__all__ = ["parse_split", "split_sizes"]

_SLICE = re.compile(r"(?P<base>\w+)(\[(?P<start>-?\d+%?)?:(?P<stop>-?\d+%?)?\])?")


def parse_split(split: str, splits: Mapping[str, int]) -> range:
    """Finds the positions that a split names.

    A dataset numbers its examples with the training ones first and the test ones after them, so
    that every split and every slice of one is a range of positions.

    Args:
        split: `"train"`, `"test"` or `"all"`, or a slice: `"train[:50000]"`, `"train[90%:]"`,
            `"test[-100:]"`. Percentages are rounded to the nearest example.
        splits: Split name -> number of examples.

    Returns:
        The positions, never empty.

    Example:
        >>> parse_split("test[50%:]", {"train": 900, "test": 100, "all": 1000})
        range(950, 1000)
    """
    match = _SLICE.fullmatch(split) if isinstance(split, str) else None
    if match is None:
        raise UserError(
            f"cannot read the split {split!r}: write a name or a slice of one, such as "
            "'train', 'test[:1000]' or 'train[90%:]'"
        )
    base = match["base"]
    if base not in splits:
        raise unknown_name("split", base, splits)
    size = splits[base]
    start = _bound(match["start"], size, default=0, split=split)
    stop = _bound(match["stop"], size, default=size, split=split)
    if start >= stop:
        raise UserError(
            f"the split {split!r} holds no example: {base!r} has {size}, and the slice goes from "
            f"{start} to {stop}"
        )
    offset = splits["train"] if base == "test" else 0
    return range(offset + start, offset + stop)


def split_sizes(count: int) -> tuple[int, int]:
    """Splits `count` examples 90/10 where a dataset has no split of its own: (train, test)."""
    test = max(1, count // 10) if count > 1 else 0
    return count - test, test


def _bound(text: str | None, size: int, *, default: int, split: str) -> int:
    """Turns one end of a slice into a number of examples between 0 and `size`."""
    if text is None:
        return default
    if text.endswith("%"):
        bound = round(int(text[:-1]) * size / 100)
    else:
        bound = int(text)
    if abs(bound) > size:
        raise UserError(f"the split {split!r} asks for {text}: there are {size} examples")
    return bound + size if bound < 0 else bound
