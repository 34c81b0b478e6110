"""Comments in silence, and the end of a client that does not read."""

from __future__ import annotations

import asyncio

from proxy.server.keepalive import KeepAlive
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, chunk, finish, stream


class Fake:
    """A stream that notes what is written."""

    def __init__(self, *, paused: bool = False) -> None:
        self.quiet = 0
        self.paused = paused
        self.written = asyncio.Queue[bytes]()
        self.given_up = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.quiet = 0
        self.written.put_nowait(data)

    def give_up(self) -> None:
        self.given_up.set()


async def test_a_silent_stream_gets_comments() -> None:
    keepalive, fake = KeepAlive(0.03, 100), Fake()
    keepalive.add(fake)
    async with asyncio.timeout(5):
        for _ in range(2):
            assert await fake.written.get() == b": keep-alive\n\n"
    keepalive.discard(fake)
    keepalive.close()


async def test_comments_can_be_turned_off() -> None:
    keepalive, fake = KeepAlive(0, 100), Fake()
    keepalive._beat_s = 0.001
    keepalive.add(fake)
    async with asyncio.timeout(5):
        while fake.quiet < 20:
            await asyncio.sleep(0.001)  # beats are counted by a timer of its own
    keepalive.close()
    assert fake.written.empty()


async def test_a_client_that_does_not_read_is_given_up_and_gets_no_comment() -> None:
    keepalive, fake = KeepAlive(0.03, 0.05), Fake(paused=True)
    keepalive.add(fake)
    async with asyncio.timeout(5):
        await fake.given_up.wait()
    keepalive.close()
    assert fake.written.empty()


async def test_nothing_follows_the_end() -> None:
    async with house(ScriptedProvider("a", stream(chunk(content="x"), finish())), keepalive_s=0.03) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            await reader.readuntil(b"\r\n0\r\n\r\n")
        rest = asyncio.ensure_future(reader.read(1))
        await asyncio.wait([rest], timeout=0.1)  # silence cannot be waited for, only watched
        assert not rest.done()
        rest.cancel()
        writer.close()


async def test_a_client_that_never_reads_is_dropped_and_its_upstream_closed() -> None:
    provider = ScriptedProvider("a", stream(*[chunk(content="x" * 50_000)] * 2000, finish()))
    async with house(provider) as home:
        home.app._keepalive._beat_s = 0.01
        home.app._keepalive._stalled_beats = 3
        _, writer = await home.connect()
        exchange = await home.settled()
        writer.close()
    assert exchange.outcome == "cancelled"
    assert provider.client.responses[0].closed.is_set()
