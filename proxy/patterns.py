"""Patterns of names: a `*` stands for any characters, also none; every other character, brackets too, for itself."""

from __future__ import annotations


def stands_for(pattern: str, name: str) -> bool:
    """Tells whether a name fits a pattern."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    if not name.startswith(first):
        return False
    position = len(first)
    for part in rest[:-1]:
        found = name.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return len(name) - position >= len(rest[-1]) and name.endswith(rest[-1])
