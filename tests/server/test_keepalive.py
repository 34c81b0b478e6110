"""Comments in silence."""

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

    def write(self, data: bytes) -> None:
        self.quiet = 0
        self.written.put_nowait(data)


async def test_a_silent_stream_gets_comments() -> None:
    keepalive, fake = KeepAlive(0.03), Fake()
    keepalive.add(fake)
    async with asyncio.timeout(5):
        for _ in range(2):
            assert await fake.written.get() == b": keep-alive\n\n"
    keepalive.discard(fake)
    keepalive.close()


async def test_comments_can_be_turned_off() -> None:
    keepalive, fake = KeepAlive(0), Fake()
    keepalive.add(fake)
    assert keepalive._timer is None
    keepalive.discard(fake)
    keepalive.close()


async def test_a_client_that_does_not_read_gets_no_comment() -> None:
    keepalive, reads, does_not = KeepAlive(0.03), Fake(), Fake(paused=True)
    keepalive.add(reads)
    keepalive.add(does_not)
    async with asyncio.timeout(5):
        for _ in range(3):
            await reads.written.get()
    keepalive.close()
    assert does_not.written.empty()


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
