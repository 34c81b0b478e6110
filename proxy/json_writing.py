"""Writes JSON that may hold long texts: a request to an upstream with its whole conversation.

orjson finds what is to be escaped in a text ten times as fast as msgspec. What it cannot write, msgspec can: integers
beyond 64 bits, structs.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson


def write_json(value: Any) -> bytes:
    """Returns plain values as JSON, with every `msgspec.Raw` in them as it is."""
    try:
        return orjson.dumps(value, default=_passed)
    except TypeError:
        return msgspec.json.encode(value)


def _passed(value: Any) -> orjson.Fragment:
    if isinstance(value, msgspec.Raw):
        return orjson.Fragment(bytes(value))
    raise TypeError
