"""Ids of requests whose clients have given them none: from random bytes, drawn from the system many at a time.

Asking the system costs several microseconds each time, however few bytes are wanted.
"""

from __future__ import annotations

import os
import re

_AT_ONCE = 128
_cut = re.compile(".{32}").findall
_drawn: list[str] = []
os.register_at_fork(after_in_child=_drawn.clear)  # or two workers would make the same ids


def new_request_id() -> str:
    """Returns an id that nobody else has. Hot: once an exchange."""
    try:
        digits = _drawn.pop()
    except IndexError:
        drawn: list[str] = _cut(os.urandom(16 * _AT_ONCE).hex())
        digits = drawn.pop()
        _drawn.extend(drawn)
    return "req_" + digits
