"""Ids of responses. Each holds the number of the worker that makes the response, for whoever has to find it there.

Nothing else can be read from an id, and nothing is trusted in one: an invented id names a worker that knows no such
response.
"""

from __future__ import annotations

import os
import re
from functools import cache

from ...random_bytes import random_bytes

_FORM = re.compile(r"resp_([0-9a-f]{48})")


def new_response_id() -> str:
    """Returns a fresh response id, in OpenAI's form. The number of this worker is masked by the bytes behind it."""
    token = random_bytes(24)
    masked = (this_worker() ^ int.from_bytes(token[12:14], "big")).to_bytes(2, "big")
    return f"resp_{masked.hex()}{token[2:].hex()}"


@cache
def this_worker() -> int:
    """Returns the number of this worker, as it was when it was first asked for: asking the system takes its time."""
    return int(os.environ.get("PENSTOCK_WORKER", "0"))


os.register_at_fork(after_in_child=this_worker.cache_clear)


def worker_of(id: str) -> int | None:
    """Returns the number of the worker that made an id; None when it is none of ours."""
    match = _FORM.fullmatch(id)
    if match is None:
        return None
    token = bytes.fromhex(match[1])
    return int.from_bytes(token[:2], "big") ^ int.from_bytes(token[12:14], "big")
