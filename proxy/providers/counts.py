"""How counts are read from what an upstream tells of its usage, where nothing need be of the kind that it should be."""

from __future__ import annotations

from typing import Any


def part(usage: dict[str, Any], name: str) -> dict[str, Any]:
    """Returns the object of that name; an empty one where there is none."""
    value = usage.get(name)
    return value if isinstance(value, dict) else {}


def count(usage: dict[str, Any], name: str) -> int:
    """Returns the number of that name, whole and not negative; 0 where there is none."""
    value = usage.get(name)
    if value is None:
        return 0
    if isinstance(value, float) and value.is_integer():
        return max(0, int(value))
    return max(0, value) if isinstance(value, int) and not isinstance(value, bool) else 0
