"""Connections from one socket: even over those who wait there, and taken all the same when the others do not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from proxy.shares import Acceptor, Shares
from proxy.worker import listener


class Counting(asyncio.Protocol):
    """Counts the connections of one worker in `open`."""

    def __init__(self, open: list[asyncio.BaseTransport]) -> None:
        self.open = open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.open.append(transport)
        transport.write(b"x")  # type: ignore[attr-defined]


@pytest.fixture
def waiting() -> Iterator[socket.socket]:
    """A socket that clients can connect to."""
    with listener("127.0.0.1", 0) as sock:
        yield sock


async def connect(sock: socket.socket, count: int) -> list[asyncio.StreamWriter]:
    """Connects so many clients at once; returns them when each has been taken."""

    async def one() -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        assert await reader.read(1) == b"x"
        return writer

    async with asyncio.timeout(20):
        return list(await asyncio.gather(*(one() for _ in range(count))))


async def test_connections_are_even_over_workers(waiting: socket.socket) -> None:
    shares = Shares()
    taken: list[list[asyncio.BaseTransport]] = [[], [], []]
    acceptors = [Acceptor(waiting.dup(), lambda n=n: Counting(taken[n]), shares, n) for n in range(3)]  # type: ignore[misc]
    for acceptor in acceptors[:2]:
        acceptor.start()
    clients = await connect(waiting, 40)
    assert all(16 <= len(one) <= 24 for one in taken[:2]), list(map(len, taken))
    acceptors[2].start()  # one that comes later, as after a crash, catches up
    clients += await connect(waiting, 20)
    assert len(taken[2]) >= 14
    acceptors[1].close()
    before = len(taken[1])
    clients += await connect(waiting, 10)
    assert len(taken[1]) == before
    for acceptor in (acceptors[0], acceptors[2]):
        acceptor.close()
    for writer in clients:
        writer.close()


async def test_a_worker_does_not_wait_for_another_that_takes_nothing(waiting: socket.socket) -> None:
    shares = Shares()
    shares.enter(7)  # and hangs
    taken: list[asyncio.BaseTransport] = []
    acceptor = Acceptor(waiting.dup(), lambda: Counting(taken), shares, 0)
    acceptor.start()
    for writer in await connect(waiting, 8):
        writer.close()
    assert shares.has_too_many(0)
    for _ in range(8):
        acceptor.lost()
    assert not shares.has_too_many(0)
    acceptor.close()


def test_one_that_is_not_there_has_no_share() -> None:
    shares = Shares()
    shares.enter(0)
    shares.add(0, 50)
    assert not shares.has_too_many(0)
    assert shares.there == 1
    shares.enter(2)
    assert shares.there == 2
    assert shares.has_too_many(0)
    shares.add(2, 46)
    assert not shares.has_too_many(0)  # within an eighth
    shares.add(2, -10)
    assert shares.has_too_many(0)
    shares.leave(2)
    shares.add(2, -1)  # its connections end after it has left
    assert not shares.has_too_many(0)
