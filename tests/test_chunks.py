"""Frames of HTTP chunks: written like HTTP says, and recognised only where a read is exactly one."""

from __future__ import annotations

import pytest

from proxy.chunks import LONGEST, LOWER, UPPER, body_of, frame


@pytest.mark.parametrize("size", [1, 9, 15, 16, 255, 256, LONGEST - 1, LONGEST, 70_000])
def test_a_chunk_is_its_size_in_hexadecimal_and_its_bytes(size: int) -> None:
    assert frame(b"x" * size) == f"{size:x}\r\n{'x' * size}\r\n".encode()


def test_every_read_that_is_one_chunk_is_known_by_its_length() -> None:
    for size in range(1, LONGEST - 10):
        body = b"x" * size
        lower, upper = b"%x\r\n%b\r\n" % (size, body), b"%X\r\n%b\r\n" % (size, body)
        assert lower.startswith(LOWER[len(lower)])
        assert upper.startswith(UPPER[len(upper)])
        assert body_of(lower) == body_of(upper) == body


@pytest.mark.parametrize(
    ("read", "body"),
    [
        (b"3\r\nabc\r\n", b"3\r\nabc\r\n"),  # what looks like a chunk is all body: the parser was within a chunk
        (b"3\r\nabc\r\n2\r\nde\r\n", b"abcde"),
        (b"3\r\nabc", b"abc"),
        (b"3;name=value\r\nabc\r\n", b"abc"),
        (b"03\r\nabc\r\n", b"abc"),
        (b"5\r\nhello\r\n", b"hello\r\n"),  # the end of a size that began in the read before, "1": 0x15 bytes
        (b"\r\n3\r\nabc\r\n", b"abc"),
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"x" * (LONGEST + 10), b"x" * LONGEST),
        (b"aA\r\n" + b"x" * 0xAA + b"\r\n", b"x" * 0xAA),
        (b"0\r\n\r\n", b"-"),
    ],
)
def test_a_read_that_is_anything_else_is_none(read: bytes, body: bytes) -> None:
    assert body_of(read) != body


def test_no_read_of_a_length_that_no_chunk_has_is_one() -> None:
    lengths = {len(b"%x\r\n" % size) + size + 2 for size in range(1, LONGEST)}
    for length in set(range(LONGEST)) - lengths:
        assert len(LOWER[length]) > length
