"""Ids of responses. Each holds the number of the worker that makes the response, for whoever has to find it there.

Like OpenAI's own, an id begins with the time at which it is made, as the Response tells it anyway: a store that keeps
its entries by their ids then writes new ones side by side, and not one in each corner of its index. Nothing else can be
read from an id, and nothing is trusted in one: an invented id names a worker that knows no such response.
"""

from __future__ import annotations

import os
import re
import time
from functools import cache, lru_cache
from math import floor

_FORM = re.compile(r"resp_([0-9a-f]{48})")
_AT_ONCE = 128
_cut = re.compile("(.{14})(.{20})").findall
_drawn: list[tuple[str, str]] = []
"""Random digits for as many ids, asked for at once: those in front of the worker's number, and those behind it."""
_TICKS = 256.0
"""Parts of a second that ids tell apart."""


def new_response_id() -> str:
    """Returns a fresh response id, in OpenAI's form: 5 bytes of time and 17 of chance, with the number among them.

    Hot: once an exchange.
    """
    beginning, masked = _of_tick(floor(time.time() * _TICKS))  # in a quarter of the time of int()
    try:
        front, behind = _drawn.pop()  # one step, whoever else is doing it
    except IndexError:
        drawn = _cut(os.urandom(17 * _AT_ONCE).hex())
        front, behind = drawn.pop()
        _drawn.extend(drawn)
    return f"{beginning}{front}{masked}{behind}"


@lru_cache(maxsize=1)
def _of_tick(tick: int) -> tuple[str, str]:
    """Returns what is the same in all ids of a moment: how they begin, and the number, masked by the beginning."""
    time_of_it = f"{tick & 0xFFFFFFFFFF:010x}"
    return "resp_" + time_of_it, f"{_this_worker() ^ int(time_of_it[:4], 16):04x}"


@cache
def _this_worker() -> int:
    """Returns the number of this worker, as it was when it was first asked for: asking the system takes its time."""
    return int(os.environ.get("PENSTOCK_WORKER", "0"))


def forget_worker() -> None:
    """Has the system asked anew which worker this process is, and for what no other worker has."""
    _drawn.clear()
    _this_worker.cache_clear()
    _of_tick.cache_clear()


os.register_at_fork(after_in_child=forget_worker)


def worker_of(id: str) -> int | None:
    """Returns the number of the worker that made an id; None when it is none of ours."""
    match = _FORM.fullmatch(id)
    if match is None:
        return None
    token = bytes.fromhex(match[1])
    return int.from_bytes(token[:2], "big") ^ int.from_bytes(token[12:14], "big")
