"""Says up to where a request is kept in the upstream's cache.

The API keeps what stands before a block that bears `cache_control`, four such blocks at most. Where they are not set
by the client they stand where agents gain most: behind the tools, behind the instructions, and behind the last two
messages of the user, the older of which was the end of the request before this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .content import Block

MAX_BREAKPOINTS = 4
_KEPT_FOR_A_DAY = "24h"
_UNMARKED = ("thinking", "redacted_thinking")


def place(body: dict[str, Any], *, automatic: bool, retention: str | None) -> int:
    """Puts breakpoints, or keeps those that are there; returns how many were too many.

    `automatic`: put them where the client has set none. `retention` as the client says it; a day is an hour here.
    """
    marked = [block for block in _blocks(body) if "cache_control" in block]
    surplus = marked[:-MAX_BREAKPOINTS]
    for block in surplus:
        del block["cache_control"]
    if automatic and not marked:
        marked = list(_best(body))
    mark: dict[str, Any] = {"type": "ephemeral"}
    if retention == _KEPT_FOR_A_DAY:
        mark["ttl"] = "1h"
    for block in marked[-MAX_BREAKPOINTS:]:
        block["cache_control"] = mark
    return len(surplus)


def forget(body: dict[str, Any]) -> None:
    """Takes all breakpoints away."""
    for block in _blocks(body):
        block.pop("cache_control", None)


def _blocks(body: dict[str, Any]) -> Iterator[Block]:
    """Yields everything that can bear a breakpoint, in the order in which the upstream reads it."""
    yield from body.get("tools", ())
    yield from body.get("system", ())
    for message in body["messages"]:
        yield from message["content"]


def _best(body: dict[str, Any]) -> Iterator[Block]:
    for name in ("tools", "system"):
        if body.get(name):
            yield body[name][-1]
    asked = [message for message in body["messages"] if message["role"] == "user"]
    for message in asked[-2:]:
        block = next((one for one in reversed(message["content"]) if one["type"] not in _UNMARKED), None)
        if block is not None:
            yield block
