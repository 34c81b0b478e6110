"""Random bytes for ids that nobody may guess, drawn from the system many at a time.

Asking the system costs several microseconds each time, however few bytes are wanted.
"""

from __future__ import annotations

import os

_PIECE = 24
_AT_ONCE = 128
_pieces: list[bytes] = []
os.register_at_fork(after_in_child=_pieces.clear)  # or two workers would make the same ids


def random_bytes(count: int) -> bytes:
    """Returns so many bytes that nobody else has. Hot: twice an exchange, from whatever thread."""
    if count > _PIECE:
        return os.urandom(count)
    try:
        piece = _pieces.pop()  # one step, whoever else is doing it
    except IndexError:
        drawn = os.urandom(_PIECE * _AT_ONCE)
        piece, *others = (drawn[at : at + _PIECE] for at in range(0, len(drawn), _PIECE))
        _pieces.extend(others)
    return piece[:count]


def random_hex(count: int) -> str:
    """Returns so many random bytes as hexadecimal digits, two for each."""
    return random_bytes(count).hex()
