"""What every client of upstreams must do, asked of each of them."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from proxy.errors import UpstreamCut, UpstreamGarbled, UpstreamTimeout, UpstreamUnreachable
from proxy.upstream.client import Timeouts, UpstreamClient
from proxy.upstream.codings import zstd
from proxy.upstream.origin_pool import PoolLimits
from proxy.upstream.pool import Http1Client
from proxy.upstream.proxied import ProxiedClient
from tests.support.forward_proxy import ForwardProxy
from tests.support.hostile import PATIENT, HostileUpstream, Peer, Sink, answering, chunked, closing, fixed, post, until

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
LIMITS = PoolLimits(max_connections=2)


@pytest.fixture(params=["own", "aiohttp", "aiohttp through a proxy"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[UpstreamClient]:
    if request.param == "aiohttp through a proxy":
        async with ForwardProxy() as proxy:
            proxied = ProxiedClient(proxy=f"http://127.0.0.1:{proxy.port}", limits=LIMITS)
            yield proxied
            await proxied.close()
        return
    direct: UpstreamClient = Http1Client(limits=LIMITS) if request.param == "own" else ProxiedClient(limits=LIMITS)
    yield direct
    await direct.close()


BODIES = {
    "fixed": fixed(b"hello, world"),
    "chunked": chunked(b"hello", b", ", b"world"),
    "until close": OK + b"\r\nhello, world",
    "old": b"HTTP/1.0 200 OK\r\n\r\nhello, world",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\na: b\r\n\r\n" + fixed(b"hello, world"),
    "gzip": fixed(gzip.compress(b"hello, world"), headers="content-encoding: gzip\r\n"),
    "deflate": fixed(zlib.compress(b"hello, world"), headers="content-encoding: deflate\r\n"),
    "zstd": chunked(zstd.compress(b"hello, world"), headers="content-encoding: zstd\r\n"),
}


@pytest.mark.parametrize("raw", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("manner", ["stream", "read"])
async def test_bodies(client: UpstreamClient, raw: bytes, manner: str) -> None:
    async with HostileUpstream(closing(raw)) as upstream:
        response = await client.send(post(upstream), PATIENT)
        assert response.status == 200
        body = await (response.read(100) if manner == "read" else Sink(response).start().finish())
        assert body == b"hello, world"
        response.release()
        response.close()


async def test_the_request_as_it_arrives(client: UpstreamClient) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(fixed(b"", status=401, headers="X-A: 1\r\nx-a: 2\r\n"))
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        response = await client.send(post(upstream, b"body", authorization="Bearer k", x_odd="b c"), PATIENT)
        assert (response.status, response.headers["x-a"]) == (401, "1, 2")
        assert await response.read(10) == b""
    head, _, body = seen[0].partition(b"\r\n\r\n")
    line, *lines = head.lower().split(b"\r\n")
    assert line == b"post /v1/chat/completions http/1.1"
    assert body == b"body"
    expected = {b"authorization: bearer k", b"x-odd: b c", b"accept-encoding: identity", b"content-length: 4"}
    assert set(lines) == expected | {f"host: 127.0.0.1:{upstream.port}".encode()}


async def test_a_large_request(client: UpstreamClient) -> None:
    body = bytes(range(256)) * 20_000

    async def script(peer: Peer) -> None:
        got = (await peer.request()).partition(b"\r\n\r\n")[2]
        await peer.send(fixed(b"whole" if got == body else b"broken"))
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        assert await (await client.send(post(upstream, body), PATIENT)).read(100) == b"whole"


async def test_an_early_answer_to_a_request_that_is_read_in_the_end(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        peer.stop_reading()
        await peer.send(CHUNKED + b"1\r\n1\r\n")
        await peer.cue()
        peer.transport.resume_reading()
        await until(lambda: len(peer.received) > 20_000_000 or peer.gone.is_set())
        await peer.send(b"1\r\n2\r\n0\r\n\r\n")
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        sink = Sink(await client.send(post(upstream, bytes(30_000_000)), PATIENT)).start()
        await sink.first()
        upstream.peers[0].go()
        assert await sink.finish() == b"12"


BROKEN_HEADS = {
    "garbage": (b"garbage\r\n\r\n", UpstreamGarbled),
    "protocol switch": (b"HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", UpstreamGarbled),
    "no answer": (b"", UpstreamCut),
}


@pytest.mark.parametrize(("raw", "kind"), BROKEN_HEADS.values(), ids=BROKEN_HEADS.keys())
async def test_heads_that_are_none(client: UpstreamClient, raw: bytes, kind: type[Exception]) -> None:
    async with HostileUpstream(closing(raw)) as upstream:
        with pytest.raises(kind) as caught:
            await client.send(post(upstream, authorization="Bearer sk-secret"), PATIENT)
        assert f"127.0.0.1:{upstream.port}" in str(caught.value)
        assert "secret" not in str(caught.value)
        assert "/v1" not in str(caught.value)


BROKEN_BODIES = {
    "length": (OK + b"content-length: 10\r\n\r\nhello", UpstreamCut),
    "chunks": (chunked(b"hello", end=b""), UpstreamCut),
    "chunk size": (chunked(b"hello", end=b"zz\r\n"), UpstreamGarbled),
    "unknown coding": (fixed(b"hello", headers="content-encoding: br\r\n"), UpstreamGarbled),
    "wrong coding": (fixed(b"hello", headers="content-encoding: gzip\r\n"), UpstreamGarbled),
    "cut coding": (fixed(gzip.compress(b"hello")[:-4], headers="content-encoding: gzip\r\n"), UpstreamCut),
}


@pytest.mark.parametrize(("raw", "kind"), BROKEN_BODIES.values(), ids=BROKEN_BODIES.keys())
async def test_bodies_that_are_broken(client: UpstreamClient, raw: bytes, kind: type[Exception]) -> None:
    async with HostileUpstream(closing(raw)) as upstream:
        with pytest.raises(kind):
            await Sink(await client.send(post(upstream), PATIENT)).start().finish()
        with pytest.raises(kind) as caught:
            await (await client.send(post(upstream), PATIENT)).read(1000)
        assert f"127.0.0.1:{upstream.port}" in str(caught.value)
        assert "/v1" not in str(caught.value)


async def test_nobody_there() -> None:
    async with HostileUpstream(answering()) as upstream:
        pass
    for client in (Http1Client(), ProxiedClient()):
        with pytest.raises(
            UpstreamUnreachable, match=f"127.0.0.1:{upstream.port} cannot be reached: connection refused"
        ):
            await client.send(post(upstream), PATIENT)
        await client.close()


@pytest.mark.parametrize("phase", ["first_byte", "idle", "total"])
async def test_limits_of_time(client: UpstreamClient, phase: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if phase != "first_byte":
            await peer.send(CHUNKED + b"1\r\nx\r\n")
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        limits: Any = {phase: 0.2}
        with pytest.raises(UpstreamTimeout) as caught:
            await Sink(await client.send(post(upstream), msgspec.structs.replace(PATIENT, **limits))).start().finish()
        assert caught.value.phase == phase
        assert await upstream.peers[0].was_closed()


async def test_the_line_has_a_limit(client: UpstreamClient) -> None:
    async with HostileUpstream(answering(CHUNKED)) as upstream:
        held = [await client.send(post(upstream), PATIENT) for _ in range(2)]
        with pytest.raises(UpstreamTimeout) as caught:
            await client.send(post(upstream), msgspec.structs.replace(PATIENT, pool=0.05))
        assert caught.value.phase == "pool"
        waiting = asyncio.create_task(client.send(post(upstream), PATIENT))
        await asyncio.sleep(0)
        held[0].close()
        (await waiting).close()
        held[1].close()


@pytest.mark.parametrize("phase", ["line", "head", "stream", "paused", "read"])
async def test_nothing_runs_on_for_nobody(client: UpstreamClient, phase: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if phase != "head":
            await peer.send(CHUNKED + b"1\r\nx\r\n")
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        if phase in ("line", "head"):
            if phase == "line":
                held = [await client.send(post(upstream), PATIENT) for _ in range(2)]
            task = asyncio.create_task(client.send(post(upstream), PATIENT))
            await (await upstream.peer()).head() if phase == "head" else await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            if phase == "line":
                assert len(upstream.peers) == 2
                for response in held:
                    response.close()
        else:
            response = await client.send(post(upstream), PATIENT)
            if phase == "read":
                task = asyncio.create_task(response.read(1000))
                await asyncio.sleep(0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                await Sink(response).start().first()
                if phase == "paused":
                    response.pause()
            response.close()
        assert [await peer.was_closed() for peer in upstream.peers] == [True] * len(upstream.peers)


async def test_a_paused_reader_holds_the_upstream_back(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        for _ in range(3000):
            await peer.send(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        await peer.stall()

    async with HostileUpstream(script, send_buffer=64 * 1024) as upstream:
        response = await client.send(post(upstream), PATIENT)
        sink = Sink(response).start()
        await sink.first()
        response.pause()
        peer = upstream.peers[0]
        sent = -1
        async with asyncio.timeout(10):
            while not (sent == peer.sent and peer.blocked):
                sent = peer.sent
                await asyncio.sleep(0.1)
        assert sent < 16_000_000  # through a proxy there are two pairs of socket buffers on the way
        before = len(sink.body)
        response.resume()
        await until(lambda: len(sink.body) > before + 5_000_000)
        response.close()


async def test_a_released_connection_is_kept_if_the_end_comes_soon(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.request()
            await peer.send(CHUNKED + b"1\r\nx\r\n")
            await peer.cue()
            await peer.send(b"4\r\nrest\r\n0\r\n\r\n")
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        response = await client.send(post(upstream), PATIENT)
        sink = Sink(response).start()
        await sink.first()
        response.release()
        upstream.peers[0].go()
        counted: Any = client
        await until(lambda: counted.counts.open == counted.counts.idle)
        second = await client.send(post(upstream), PATIENT)
        assert len(upstream.peers) == 1
        assert sink.ends == []
        second.close()


async def test_closing_the_client_ends_what_is_under_way(client: UpstreamClient) -> None:
    async with HostileUpstream(answering(CHUNKED + b"1\r\nx\r\n")) as upstream:
        sink = Sink(await client.send(post(upstream), PATIENT)).start()
        await sink.first()
        await client.close()
        with pytest.raises(UpstreamCut, match="closed by Penstock"):
            await sink.finish()
        assert await upstream.peers[0].was_closed()
        with pytest.raises(UpstreamUnreachable):
            await client.send(post(upstream), PATIENT)


async def test_several_at_a_time_do_not_mix(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        while True:
            body = (await peer.request()).partition(b"\r\n\r\n")[2]
            await peer.trickle(chunked(*[body] * 5))

    async def one(number: int) -> None:
        word = f"<{number}>".encode()
        response = await client.send(post(upstream, word), PATIENT)
        assert await Sink(response).start().finish() == word * 5

    async with HostileUpstream(script) as upstream:
        await asyncio.gather(*(one(number) for number in range(20)))
        assert len(upstream.peers) <= 2


def test_the_limits_of_time_by_default() -> None:
    limits = Timeouts()
    assert (limits.connect, limits.first_byte, limits.total) == (5.0, 300.0, None)
