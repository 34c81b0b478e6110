"""What a key may do."""

from __future__ import annotations

from .exchange import Key
from .patterns import stands_for


def may_use(key: Key, model: str) -> bool:
    """Tells whether a key may use a model; a key without a list may use all.

    In the list a `*` stands for any characters; every other character, brackets too, stands for itself.
    """
    return not key.models or any(stands_for(name, model) for name in key.models)
