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


def body_of(read: bytes) -> bytes:
    """Returns the body of a read that is exactly one chunk, shorter than `LONGEST`; b"" for any other.

    Hot: once a read. Servers write sizes in lower or in upper case. A parser that has found just that body in such a
    read stood between two chunks before it, and stands there again: else it would have taken the frame for body.
    """
    size = len(read)
    if size >= LONGEST:
        return b""
    chunk = read.removeprefix(LOWER[size])  # which costs less than asking whether it begins so, and then a slice
    if chunk is read:
        chunk = read.removeprefix(UPPER[size])
    body = chunk.removesuffix(b"\r\n")
    return b"" if chunk is read or body is chunk else body
