"""Entries of response stores, and a clock to keep them by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from proxy.stores.store import Entry

START = 1_700_000_000.0


class Clock:
    """Tells the time that a test sets."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def raw(value: Any) -> msgspec.Raw:
    """Returns a value as JSON."""
    return msgspec.Raw(msgspec.json.encode(value))


def message(id: str | None, text: str = "hello", role: str = "user") -> dict[str, Any]:
    """Returns an item."""
    return {"type": "message", **({} if id is None else {"id": id}), "role": role, "content": text}


Items = Iterable[str | msgspec.Raw]
"""Items, or their ids."""


def entry(id: str, *, given: Items = (), output: Items = (), text: str = "hello", **fields: Any) -> Entry:
    """Returns an entry of "me" that holds these items; unless told otherwise it is kept for an hour."""
    values: dict[str, Any] = {
        "owner": "me",
        "created_at": START,
        "expires_at": START + 3600,
        "status": "completed",
        "model": "small",
        "response": raw({"id": ascii(id)[1:-1], "object": "response", "text": text}),
        "input": [_item(item, text, "user") for item in given],
        "output": [_item(item, text, "assistant") for item in output],
    }
    return Entry(id=id, **{**values, **fields})


def _item(item: str | msgspec.Raw, text: str, role: str) -> msgspec.Raw:
    return raw(message(item, text, role)) if isinstance(item, str) else item
