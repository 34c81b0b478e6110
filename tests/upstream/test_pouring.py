"""Bodies that come piece by piece: framed, held back, broken off, refused early; by both clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.errors import BadRequest, UpstreamCut, UpstreamTimeout
from proxy.upstream.client import Timeouts, Upload, UpstreamRequest
from proxy.upstream.pool import Http1Client
from proxy.upstream.pouring import Pouring
from proxy.upstream.proxied import ProxiedClient
from tests.support.hostile import PATIENT, HostileUpstream, Peer, answering, fixed, until

Client = Http1Client | ProxiedClient
PIECE = bytes(64 * 1024)


@pytest.fixture(params=[Http1Client, ProxiedClient])
async def either(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """Both clients that carry uploads."""
    made: Client = request.param()
    yield made
    await made.close()


async def pieces(*given: bytes | Exception | asyncio.Event) -> AsyncIterator[bytes]:
    """Yields pieces; waits for events, and raises errors."""
    for one in given:
        if isinstance(one, Exception):
            raise one
        if isinstance(one, asyncio.Event):
            await one.wait()
        else:
            yield one


def uploading(upstream: HostileUpstream, *given: Any, length: int | None = None) -> UpstreamRequest:
    return UpstreamRequest(
        method="POST", url=f"{upstream.origin}/v1/files", headers={}, upload=Upload(pieces(*given), length)
    )


async def test_a_body_of_known_length(either: Client) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(fixed(b"ok"))
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        response = await either.send(uploading(upstream, b"he", b"", b"llo", length=5), PATIENT)
        assert await response.read(10) == b"ok"
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert b"content-length: 5" in head.lower()
    assert b"transfer-encoding" not in head.lower()
    assert body == b"hello"


async def test_a_body_whose_end_only_will_tell(either: Client) -> None:
    async def script(peer: Peer) -> None:
        await until(lambda: peer.received.endswith(b"0\r\n\r\n"))
        await peer.send(fixed(b"ok"))
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        response = await either.send(uploading(upstream, b"he", b"", b"llo"), PATIENT)
        assert await response.read(10) == b"ok"
        head, _, body = bytes(upstream.peers[0].received).partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    assert body == b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


async def test_the_connection_is_kept_behind_it(client: Http1Client) -> None:
    async with HostileUpstream(answering(fixed(b"1"), fixed(b"2"))) as upstream:
        for answer in (b"1", b"2"):
            upload = answer == b"1"
            request = uploading(upstream, b"x", length=1)
            request.upload = request.upload if upload else None
            response = await client.send(request, PATIENT)
            assert await response.read(10) == answer
        assert len(upstream.peers) == 1


async def test_an_upload_gets_a_new_connection_because_it_cannot_be_sent_twice(client: Http1Client) -> None:
    async with HostileUpstream(answering(fixed(b"1"))) as upstream:
        for _ in range(2):
            response = await client.send(uploading(upstream, b"x", length=1), PATIENT)
            await response.read(10)
        assert len(upstream.peers) == 2


@pytest.mark.parametrize("length", [None, 50_000_000])
async def test_no_more_is_taken_than_the_upstream_takes(either: Client, length: int | None) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += len(PIECE)
            yield PIECE

    async def script(peer: Peer) -> None:
        await peer.head()
        peer.stop_reading()
        peer.reached.set()
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        request = UpstreamRequest(method="POST", url=upstream.origin, headers={}, upload=Upload(endless(), length))
        sending = asyncio.create_task(either.send(request, PATIENT))
        await (await upstream.peer()).reached.wait()
        before = -1
        while taken != before:  # until nothing more goes into the sockets' buffers
            before = taken
            for _ in range(20):
                await asyncio.sleep(0.001)
        assert taken < 16_000_000
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        upstream.peers[0].transport.resume_reading()
        assert await upstream.peers[0].was_closed()


@pytest.mark.parametrize("given", [(BadRequest("cut", status=408),), (b"abc", BadRequest("cut", status=408))])
async def test_what_the_source_ends_in_is_what_the_sender_gets(either: Client, given: tuple[Any, ...]) -> None:
    async def script(peer: Peer) -> None:
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        with pytest.raises(BadRequest, match="cut"):
            await either.send(uploading(upstream, *given, length=10), PATIENT)
        assert await (await upstream.peer()).was_closed()


async def test_an_early_refusal_stops_the_upload(either: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(fixed(b"too large", status=413))
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        never = asyncio.Event()
        response = await either.send(uploading(upstream, PIECE, never, length=10**9), PATIENT)
        assert (response.status, await response.read(100)) == (413, b"too large")
        response.close()
        assert await upstream.peers[0].was_closed()


async def test_a_source_that_breaks_behind_the_head(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        broken = asyncio.Event()
        response = await client.send(uploading(upstream, b"a", broken, ValueError(), length=10), PATIENT)
        reading = asyncio.create_task(response.read(100))
        await asyncio.sleep(0)
        broken.set()
        with pytest.raises(UpstreamCut, match="broke off"):
            await reading


LIMITS = Timeouts(first_byte=0.05)


async def test_the_answer_is_waited_for_from_the_end_of_the_upload_on(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(fixed(b"ok"))
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        slow = asyncio.Event()
        sending = asyncio.create_task(client.send(uploading(upstream, b"a", slow, b"b", length=2), LIMITS))
        await upstream.peer()
        await asyncio.wait((sending,), timeout=0.15)  # longer than the limit: that the source is slow is not its fault
        assert not sending.done()
        slow.set()
        assert await (await sending).read(10) == b"ok"


@pytest.mark.parametrize("reads", [True, False])
async def test_an_upstream_that_neither_answers_nor_reads(client: Http1Client, *, reads: bool) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        if not reads:
            peer.stop_reading()
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        given = [b"ab"] if reads else [PIECE] * 1000
        with pytest.raises(UpstreamTimeout) as caught:
            await client.send(uploading(upstream, *given), LIMITS)
        assert caught.value.phase == "first_byte"


async def test_once_stopped_nothing_is_told() -> None:
    ends: list[Exception | None] = []
    sent: list[bytes] = []
    pouring = Pouring(Upload(pieces(b"a", asyncio.Event())), sent.append, ends.append)
    await until(lambda: sent)
    pouring.stop()
    await asyncio.sleep(0)
    assert (sent, ends) == ([b"1\r\na\r\n"], [])
