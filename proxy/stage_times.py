"""How long each stage has taken with a request, and what a client is told of that: the header `Server-Timing`."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exchange import Exchange
    from .reply import Reply
    from .stage import ResponseFilter, Stage

WANTED = "x-penstock-timing"
"""The request header that asks for it, by the value 1."""
SERVER_TIMING = "server-timing"
_NO_TOKEN = re.compile(r"[^\w!#$%&'*+.^`|~-]", re.ASCII)


async def asked(stage: Stage, exchange: Exchange) -> ResponseFilter | Reply | None:
    """Shows a stage the request; returns what it says. Takes the time where that is wanted."""
    before = time.monotonic()
    try:
        return await stage.on_request(exchange)
    finally:
        if exchange.times is not None:
            took(stage.name, exchange.times, time.monotonic() - before)


def took(stage: str, times: dict[str, float], seconds: float) -> None:
    """Adds the time that a stage took to those of an exchange. Hot: once a stage."""
    times[stage] = times[stage] + seconds if stage in times else seconds


def received(exchange: Exchange, *, always: bool) -> None:
    """Takes note of a request that has come whole; from now on it is Penstock's time that passes.

    Its client is told how long stages take if it asks for that, or `always`.
    """
    exchange.timing.received = time.monotonic()
    if always or exchange.client.headers.get(WANTED) == "1":
        exchange.times = {}
        exchange.shows_times = True


def server_timing(exchange: Exchange) -> str:
    """Returns the header's value: milliseconds of each stage so far, of the upstream's head, and of all together."""
    timing, now = exchange.timing, time.monotonic()
    parts = [f"{_NO_TOKEN.sub('_', name)};dur={seconds * 1000:.3f}" for name, seconds in (exchange.times or {}).items()]
    if timing.upstream_sent is not None and timing.upstream_head is not None:
        parts.append(f"upstream;dur={max(0.0, timing.upstream_head - timing.upstream_sent) * 1000:.3f}")
    if exchange.attempts and (own := own_s(exchange)) is not None:
        parts.append(f"own;dur={own * 1000:.3f}")
    parts.append(f"total;dur={(now - timing.started) * 1000:.3f}")
    return ", ".join(parts)


def own_s(exchange: Exchange) -> float | None:
    """Returns what Penstock itself has taken before it asked the upstream that answered, in seconds.

    That is from the moment the request had come whole until the first attempt, and from the beginning of the last
    attempt until its upstream was asked. None while that is not known; without any attempt, all the time there was.
    """
    timing = exchange.timing
    began = timing.started if timing.received is None else timing.received
    if not exchange.attempts:
        return None if timing.ended is None else timing.ended - began
    last = exchange.attempts[-1].started
    if timing.upstream_sent is None or timing.upstream_sent < last:
        return None
    return exchange.attempts[0].started - began + timing.upstream_sent - last
