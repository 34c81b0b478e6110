"""What a key may do."""

from __future__ import annotations

from fnmatch import fnmatchcase

from .exchange import Key


def may_use(key: Key, model: str) -> bool:
    """Tells whether a key may use a model; a key without a list may use all."""
    return not key.models or any(fnmatchcase(model, pattern) for pattern in key.models)
