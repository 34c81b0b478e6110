"""Reads that are one whole chunk are offered to a shortcut; the parser and the sink get all the others, in order."""

from __future__ import annotations

import asyncio
import random

import pytest

from proxy.chunks import body_of, frame
from proxy.errors import UpstreamError
from proxy.upstream.http1 import Http1Connection
from proxy.upstream.response import Response
from tests.upstream.test_http1_alone import CHUNKED, OK, _answered


class Reader:
    """Reads an answer both ways; `takes` says whether the shortcut takes what it is offered."""

    def __init__(self, connection: Http1Connection, response: Response) -> None:
        self.connection = connection
        self.response = response
        self.body = b""
        self.offered: list[bytes] = []
        self.taken = 0
        self.takes = True
        self.ends: list[UpstreamError | None] = []
        response.stream(self._read, self.ends.append)
        response.offer_to(self)

    def _read(self, data: bytes) -> None:
        self.body += data

    def take(self, read: bytes) -> float:
        """Takes a chunk, if it takes any."""
        data = body_of(read)
        if not data:
            return 0.0
        self.offered.append(data)
        if not self.takes:
            return 0.0
        self.taken += 1
        self.body += data
        return asyncio.get_running_loop().time()

    def comes(self, *reads: bytes) -> None:
        """Takes what has come from the upstream."""
        for read in reads:
            self.connection.data_received(read)


class Closes:
    """Closes the answer of which it is offered a piece."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def take(self, read: bytes) -> float:
        """Takes it."""
        self._response.close()
        return 1.0


async def _reader(head: bytes = CHUNKED) -> Reader:
    connection, _, response = await _answered(head)
    return Reader(connection, response)


@pytest.mark.parametrize("upper", [False, True])
async def test_a_chunk_behind_a_chunk_is_offered(upper: bool) -> None:
    def chunk(body: bytes) -> bytes:
        return f"{len(body):X}\r\n".encode() + body + b"\r\n" if upper else frame(body)

    reader = await _reader()
    reader.comes(chunk(b"a" * 0x2B), chunk(b"b" * 0xC), chunk(b"c"), b"0\r\n\r\n")
    assert reader.offered == [b"b" * 0xC, b"c"]
    assert reader.body == b"a" * 0x2B + b"b" * 0xC + b"c"
    assert reader.ends == [None]


async def test_what_is_not_taken_comes_the_other_way_and_the_next_is_offered_again() -> None:
    reader = await _reader()
    reader.takes = False
    reader.comes(frame(b"a"), frame(b"b"), frame(b"c"))
    assert (reader.offered, reader.body) == ([b"b", b"c"], b"abc")
    reader.takes = True
    reader.comes(frame(b"d"))
    assert (reader.offered, reader.body) == ([b"b", b"c", b"d"], b"abcd")


@pytest.mark.parametrize(
    "reads",
    [
        (b"5\r\nhel", b"lo\r\n"),
        (b"1", b"5\r\nhello\r\n" + b"x" * 0xE + b"\r\n"),
        (frame(b"x") + frame(b"y"),),
        (b"3;a=b\r\nabc\r\n",),
        (frame(b"z" * 5000),),
    ],
)
async def test_a_read_that_is_no_chunk_is_not_offered_and_the_next_neither(reads: tuple[bytes, ...]) -> None:
    reader = await _reader()
    reader.comes(frame(b"a"), *reads, frame(b"b"), frame(b"c"))
    assert reader.offered == [b"c"]
    assert reader.body.endswith(b"bc")
    assert reader.ends == []


async def test_a_body_without_frames_offers_nothing() -> None:
    reader = await _reader(OK + b"content-length: 12\r\n\r\n")
    reader.comes(frame(b"a"), frame(b"b"))
    assert (reader.offered, reader.body) == ([], frame(b"a") + frame(b"b"))


async def test_a_body_in_a_coding_offers_nothing() -> None:
    connection, _, response = await _answered(CHUNKED[:-2] + b"content-encoding: gzip\r\n\r\n")
    response.stream(lambda data: None, lambda error: None)
    response.offer_to(Closes(response))
    assert connection.shortcut is None


async def test_whoever_closes_or_lets_go_is_offered_nothing_more() -> None:
    for end in (Response.close, Response.release):
        reader = await _reader()
        reader.comes(frame(b"a"), frame(b"b"))
        end(reader.response)
        reader.comes(frame(b"c"))
        assert (reader.offered, reader.body) == ([b"b"], b"ab")


async def test_a_shortcut_may_close_what_it_is_offered() -> None:
    reader = await _reader()
    reader.response.offer_to(Closes(reader.response))
    reader.comes(frame(b"a"), frame(b"b"), frame(b"c"))
    assert (reader.body, reader.ends, reader.connection.closed) == (b"a", [], True)


async def test_a_chunk_that_is_taken_is_a_sign_of_life() -> None:
    reader = await _reader()
    reader.comes(frame(b"a"))
    before = reader.connection.last
    await asyncio.sleep(0.01)  # the clock must move
    reader.comes(frame(b"b"))
    assert reader.taken == 1
    assert reader.connection.last > before


@pytest.mark.parametrize("seed", range(8))
async def test_the_body_is_the_same_however_it_comes(seed: int) -> None:
    chance = random.Random(seed)
    pieces = [bytes(chance.choices(b"ab\r\n123", k=chance.randrange(1, 40))) for _ in range(200)]
    reader = await _reader()
    left = b""
    for piece in pieces:
        left += frame(piece)
        if chance.random() < 0.8:
            cut = len(left) if chance.random() < 0.8 else chance.randrange(len(left))
            if cut:
                reader.takes = chance.random() < 0.7
                reader.comes(left[:cut])
            left = left[cut:]
    reader.comes(left + b"0\r\n\r\n")
    assert reader.body == b"".join(pieces)
    assert reader.ends == [None]
    assert reader.taken > 10
