"""A client that leaves, in every phase, over real sockets on both sides: the upstream's is closed within a second.

Each phase: `on_end` ran once, no connection is left open or taken, and the exchange is told as cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from proxy.config.loader import load_text
from proxy.providers.openai_compatible.provider import OpenAICompatible
from stages.route import Route, RouteConfig
from tests.support.hostile import HostileUpstream, Peer, Script, fixed
from tests.support.house import House, house

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'


def framed(data: bytes) -> bytes:
    """Returns one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


async def stalls(peer: Peer) -> None:
    """Says that the phase is reached, and does nothing more."""
    peer.reached.set()
    await peer.stall()


async def no_head(peer: Peer) -> None:
    await peer.request()
    await stalls(peer)


async def half_a_head(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-ty")
    await stalls(peer)


async def head_only(peer: Peer) -> None:
    await peer.request()
    await peer.send(HEAD)
    await stalls(peer)


async def mid_stream(peer: Peer) -> None:
    await peer.request()
    await peer.send(HEAD + framed(CHUNK))
    await stalls(peer)


async def endless(peer: Peer) -> None:
    await peer.request()
    await peer.send(HEAD)
    await peer.send_forever(framed(CHUNK * 200))


async def half_a_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
    await stalls(peer)


async def takes_nothing(peer: Peer) -> None:
    await peer.head()
    peer.stop_reading()
    peer.reached.set()
    await peer.cue()
    peer.transport.resume_reading()
    await peer.stall()


@asynccontextmanager
async def behind(
    script: Script, *, extra: str = "", route: Route | None = None
) -> AsyncIterator[tuple[House, HostileUpstream]]:
    """Runs a server in front of a scripted upstream, over a real client."""
    async with HostileUpstream(script) as upstream:
        config = load_text(
            f"upstreams:\n  u: {{kind: openai-compatible, base_url: {upstream.origin}/v1{extra}}}\n"
            "models: {m: [u/up]}\npipeline: [route, stream-translate]\n",
            "test",
        ).upstreams["u"]
        async with house(OpenAICompatible("u", config.config), route=route, max_body=1 << 25) as home:  # type: ignore[arg-type]
            yield home, upstream


async def check_left(home: House, peer: Peer, writer: asyncio.StreamWriter) -> None:
    """Leaves, and checks what must follow."""
    writer.transport.abort()
    assert await peer.was_closed()
    exchange = await home.settled()
    assert exchange.outcome == "cancelled"
    assert len(home.watcher.ended) == 1
    assert home.pipeline.running == set()
    client = home.pipeline.providers["u"].client
    assert client.counts.open == 0, "a connection is left"  # type: ignore[attr-defined]


async def leaves(script: Script, *, stream: bool, after: bytes | None, path: str = "/v1/responses") -> None:
    """Leaves when the upstream has got the request and the client has seen `after`."""
    async with behind(script) as (home, upstream):
        fields = {"messages": [{"role": "user", "content": "x"}]} if "chat" in path else {}
        reader, writer = await home.connect(path, stream=stream, **fields)
        peer = await upstream.peer()
        async with asyncio.timeout(5):
            if after is not None:
                await reader.readuntil(after)
            else:
                await peer.reached.wait()
        await check_left(home, peer, writer)


Case = Callable[[], Awaitable[None]]
CASES: dict[str, Case] = {
    "no head, streamed": lambda: leaves(no_head, stream=True, after=None),
    "no head, plain": lambda: leaves(no_head, stream=False, after=None),
    "half a head": lambda: leaves(half_a_head, stream=True, after=None),
    "head, no token": lambda: leaves(head_only, stream=True, after=None),
    "opened, no token": lambda: leaves(head_only, stream=True, after=b"response.in_progress"),
    "mid-stream": lambda: leaves(mid_stream, stream=True, after=b'"delta":"word "'),
    "mid-stream, passed through": lambda: leaves(
        mid_stream, stream=True, after=b'"content":"word "', path="/v1/chat/completions"
    ),
    "half a body, plain": lambda: leaves(half_a_body, stream=False, after=None),
    "half a body, passed through": lambda: leaves(half_a_body, stream=False, after=None, path="/v1/chat/completions"),
}


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("case", list(CASES))
def test_a_client_leaves(case: str, loop: str) -> None:
    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(asyncio.wait_for(CASES[case](), 20))


async def test_a_client_leaves_without_reading() -> None:
    async with behind(endless) as (home, upstream):
        reader, writer = await home.connect()
        peer = await upstream.peer()
        async with asyncio.timeout(10):
            await reader.readuntil(b'"delta"')
            while not peer.blocked:
                await asyncio.sleep(0.01)  # until every buffer on the way is full
        await check_left(home, peer, writer)


async def test_a_client_leaves_while_its_request_goes_up() -> None:
    async with behind(takes_nothing) as (home, upstream):
        _, writer = await home.connect(input="x" * 10_000_000)  # more than the kernel's buffers hold
        peer = await upstream.peer()
        async with asyncio.timeout(5):
            await peer.reached.wait()
            writer.transport.abort()
            await home.settled()
        peer.go()
        await check_left(home, peer, writer)


async def test_a_client_leaves_while_it_waits_for_a_connection() -> None:
    async with behind(mid_stream, extra=", max_connections: 1") as (home, upstream):
        reader, first = await home.connect()
        async with asyncio.timeout(5):
            await reader.readuntil(b'"delta"')
            _, second = await home.connect()
            client = home.pipeline.providers["u"].client
            while not client.counts.waiting:  # type: ignore[attr-defined]
                await asyncio.sleep(0.001)
            second.transport.abort()
            assert (await home.settled()).outcome == "cancelled"
            assert client.counts.waiting == 0  # type: ignore[attr-defined]
            assert len(upstream.peers) == 1
        first.transport.abort()
        await home.settled(2)


async def test_a_client_leaves_while_a_retry_is_waited_for() -> None:
    async def busy(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(fixed(b"{}", status=503, headers="retry-after: 5\r\n"))

    async with behind(busy, route=Route(RouteConfig(retries=3))) as (home, upstream):
        _, writer = await home.connect()
        peer = await upstream.peer()
        async with asyncio.timeout(5):
            while not peer.sent:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        writer.transport.abort()
        assert (await home.settled()).outcome == "cancelled"
        assert len(home.watcher.ended) == 1


async def test_a_client_that_half_closes_has_left() -> None:
    async with behind(mid_stream) as (home, upstream):
        reader, writer = await home.connect()
        peer = await upstream.peer()
        async with asyncio.timeout(5):
            await reader.readuntil(b'"delta"')
        writer.write_eof()
        assert await peer.was_closed()
        assert (await home.settled()).outcome == "cancelled"
        writer.close()
