"""What the page says of a comparison with pythae: where ours is worse, why."""

from __future__ import annotations

__all__ = ["REASONS"]

REASONS: dict[str, str] = {}
