"""Says up to where a request is kept in Bedrock's cache.

What stands before a `cachePoint` is kept; a request has four at most. Where the client has set none they stand where
agents gain most: behind the tools, behind the instructions, and behind the last two messages of the user, the older of
which was the end of the request before this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .content import CACHE_POINT, Block, cache_point
from .families import Family

MAX_POINTS = 4
_KEPT_FOR_A_DAY = "24h"


def place(body: dict[str, Any], family: Family, *, automatic: bool, retention: str | None) -> int:
    """Puts breakpoints, or keeps those that are there; returns how many were too many.

    `automatic`: put them where the client has set none. `retention` as the client says it; a day is an hour here.
    """
    lists = list(_lists(body, family))
    marked = [(blocks, block) for blocks in lists for block in blocks if CACHE_POINT in block]
    surplus = marked[:-MAX_POINTS]
    for blocks, block in surplus:
        blocks[:] = [one for one in blocks if one is not block]
    points = [block for _, block in marked[-MAX_POINTS:]]
    if automatic and not points:
        for blocks in _best(body, family):
            points.append(cache_point())
            blocks.append(points[-1])
    if retention == _KEPT_FOR_A_DAY and family.claude is not None:
        for point in points:
            point[CACHE_POINT]["ttl"] = "1h"
    return len(surplus)


def _lists(body: dict[str, Any], family: Family) -> Iterator[list[Block]]:
    """Yields every list that can hold a breakpoint, in the order in which the model reads it."""
    if "tools" in family.cache and "toolConfig" in body:
        yield body["toolConfig"]["tools"]
    if body.get("system"):
        yield body["system"]
    for message in body["messages"]:
        yield message["content"]


def _best(body: dict[str, Any], family: Family) -> list[list[Block]]:
    head = list(_lists({**body, "messages": []}, family))
    asked = [message["content"] for message in body["messages"] if message["role"] == "user"]
    return [*head, *asked[-2:]]
