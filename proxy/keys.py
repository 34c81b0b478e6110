"""What a key may do."""

from __future__ import annotations

from .exchange import Key


def may_use(key: Key, model: str) -> bool:
    """Tells whether a key may use a model; a key without a list may use all.

    In the list a `*` stands for any characters; every other character, brackets too, stands for itself.
    """
    return not key.models or any(_stands_for(name, model) for name in key.models)


def _stands_for(pattern: str, model: str) -> bool:
    first, *rest = pattern.split("*")
    if not rest:
        return model == pattern
    if not model.startswith(first):
        return False
    position = len(first)
    for part in rest[:-1]:
        found = model.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return len(model) - position >= len(rest[-1]) and model.endswith(rest[-1])
