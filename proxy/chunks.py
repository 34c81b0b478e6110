"""The frame that HTTP/1.1 puts around each chunk of a body whose length is not known (RFC 9112, section 7.1).

What is looked up here is what costs most of a small chunk otherwise: writing its size, and reading it.
"""

from __future__ import annotations

LONGEST = 2048
"""Bytes of a chunk from which on its frame is written, and of a read from which on it is parsed, the long way."""

SIZES = [b"%x\r\n" % size for size in range(LONGEST)]
"""The lines in front of chunks, by their size."""


def frame(body: bytes) -> bytes:
    """Returns a chunk: some bytes of a body, but not none, in their frame."""
    size = len(body)
    return b"".join((SIZES[size] if size < LONGEST else b"%x\r\n" % size, body, b"\r\n"))


def _by_length(sizes: list[bytes]) -> list[bytes]:
    """Returns the line with which a read of each length begins if it is one chunk; where none can be, what none has."""
    lines = [b"-" * LONGEST] * LONGEST
    for size, line in enumerate(sizes):
        length = len(line) + size + 2
        if size and length < LONGEST:
            lines[length] = line
    return lines


LOWER, UPPER = _by_length(SIZES), _by_length([line.upper() for line in SIZES])
"""Lines by the length of the read: some servers write sizes in lower case, some in upper case."""


def lines_of(read: bytes, body: bytes) -> list[bytes] | None:
    """Returns the lines as the server writes them, if a read was exactly one chunk with that body; else None.

    A parser that has taken such a read stood between two chunks before it, and stands there again: within a chunk it
    would have taken the frame for body.
    """
    size = len(read)
    if size >= LONGEST or size - len(body) > 7:
        return None
    for lines in (LOWER, UPPER):
        if read == b"%b%b\r\n" % (lines[size], body):
            return lines
    return None
