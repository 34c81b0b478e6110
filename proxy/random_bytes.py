"""Random bytes for ids that nobody may guess, drawn from the system many at a time.

Asking the system costs several microseconds each time, however few bytes are wanted.
"""

from __future__ import annotations

import os
import re

_PIECE = 24
_AT_ONCE = 128
_cut = re.compile(f".{{{2 * _PIECE}}}").findall  # a loop takes three times as long
_pieces: list[str] = []  # as hexadecimal digits: most are wanted so
os.register_at_fork(after_in_child=_pieces.clear)  # or two workers would make the same ids


def random_bytes(count: int) -> bytes:
    """Returns so many bytes that nobody else has, from whatever thread."""
    return bytes.fromhex(random_hex(count))


def random_hex(count: int) -> str:
    """Returns so many random bytes as hexadecimal digits, two for each. Hot: twice an exchange."""
    if count > _PIECE:
        return os.urandom(count).hex()
    try:
        piece = _pieces.pop()  # one step, whoever else is doing it
    except IndexError:
        piece, *others = _cut(os.urandom(_PIECE * _AT_ONCE).hex())
        _pieces.extend(others)
    return piece[: 2 * count]
