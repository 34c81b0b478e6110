"""The connection, and requests larger than the upstream wants to read."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from proxy.errors import UpstreamTimeout
from proxy.upstream.http1 import SLICE
from proxy.upstream.pool import Http1Client
from tests.support.hostile import PATIENT, HostileUpstream, Peer, Sink, fixed, post

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


async def _refuse_early(peer: Peer) -> None:
    await peer.head()
    peer.stop_reading()
    await peer.send(fixed(b"too large", status=413))
    await peer.stall()


async def test_an_early_answer_to_a_huge_upload(client: Http1Client) -> None:
    async with HostileUpstream(_refuse_early) as upstream:
        response = await client.send(post(upstream, bytes(30_000_000)), PATIENT)
        assert (response.status, await response.read(100)) == (413, b"too large")
        peer = upstream.peers[0]
        peer.transport.resume_reading()  # it can see only so that the connection ended
        assert await peer.was_closed()
        assert len(peer.received) < 20_000_000
        assert client.counts.open == 0


async def test_an_early_answer_that_goes_on_for_long(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        peer.stop_reading()
        await peer.send(CHUNKED)
        for _ in range(20):
            await peer.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.001)
        await peer.send(b"0\r\n\r\n")
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        response = await client.send(post(upstream, bytes(30_000_000)), PATIENT)
        assert await Sink(response).start().finish() == b"x" * 20
        assert client.counts.open == 0


async def test_an_early_answer_followed_by_a_reset(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(fixed(b"too large", status=413))
        peer.close()  # with unread bytes in its buffer: the system sends RST

    async with HostileUpstream(script) as upstream:
        for _ in range(20):
            response = await client.send(post(upstream, bytes(5_000_000)), PATIENT)
            assert (response.status, await response.read(100)) == (413, b"too large")


async def test_a_large_upload_waits_for_a_slow_upstream(client: Http1Client) -> None:
    body = bytes(range(256)) * 40_000

    async def script(peer: Peer) -> None:
        peer.stop_reading()
        while not peer.received.endswith(body[-1000:]):
            peer.transport.resume_reading()
            await asyncio.sleep(0.001)
            peer.stop_reading()
        peer.transport.resume_reading()
        whole.append(await peer.request())
        await peer.send(fixed(b"got it"))
        await peer.stall()

    whole: list[bytes] = []
    async with HostileUpstream(script) as upstream:
        response = await client.send(post(upstream, body), PATIENT)
        assert await response.read(100) == b"got it"
        assert whole[0].endswith(b"\r\n\r\n" + body)
        assert client.counts.idle == 1


async def test_an_upload_that_is_not_taken_runs_into_the_first_byte_limit(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        peer.stop_reading()
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        with pytest.raises(UpstreamTimeout) as caught:
            await client.send(post(upstream, bytes(30_000_000)), msgspec.structs.replace(PATIENT, first_byte=0.3))
        assert caught.value.phase == "first_byte"


@pytest.mark.parametrize("size", [SLICE - 1, SLICE, SLICE + 1, 3 * SLICE])
async def test_bodies_around_the_size_of_a_slice(client: Http1Client, size: int) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.send(fixed((await peer.request()).partition(b"\r\n\r\n")[2]))

    async with HostileUpstream(script) as upstream:
        for _ in range(2):
            response = await client.send(post(upstream, b"x" * size), PATIENT)
            assert await response.read(10 * SLICE) == b"x" * size
        assert len(upstream.peers) == 1
