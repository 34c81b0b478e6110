"""The connection, and requests larger than the upstream wants to read."""

from __future__ import annotations

import asyncio
import socket

import msgspec
import pytest

from proxy.errors import UpstreamCut, UpstreamTimeout
from proxy.upstream.client import UpstreamRequest
from proxy.upstream.http1 import SLICE
from proxy.upstream.pool import Http1Client
from tests.support.hostile import PATIENT, HostileUpstream, Peer, Sink, fixed, post, until

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


def _refuse_and_reset(listener: socket.socket, times: int) -> None:
    listener.settimeout(5)
    for _ in range(times):
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(5)
            sock.recv(1000)
            sock.sendall(fixed(b"too large", status=413))
        # Closed with unread bytes in its buffer, so the system sends RST.


@pytest.mark.parametrize("size", [200_000, 5_000_000])
async def test_an_early_answer_followed_by_a_reset(
    client: Http1Client, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # A thread, so that the reset falls at any moment of the client's turn of the loop.
        refusing = asyncio.create_task(asyncio.to_thread(_refuse_and_reset, listener, 30))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        request = UpstreamRequest(method="POST", url=url, headers={}, body=bytes(size))
        for _ in range(30):
            response = await client.send(request, PATIENT)
            assert (response.status, await response.read(100)) == (413, b"too large")
        await refusing
    await until(lambda: client.counts.open == 0)
    assert caplog.records == []  # asyncio complains of writes to a connection that is gone


async def test_a_reset_that_nothing_was_said_before(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        peer.reset()

    async with HostileUpstream(script) as upstream:
        with pytest.raises(UpstreamCut) as caught:
            await client.send(post(upstream, bytes(5_000_000)), PATIENT)
        assert caught.value.before_bytes


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


async def test_a_slow_upload_is_a_sign_of_life(client: Http1Client) -> None:
    body = bytes(30_000_000)

    async def script(peer: Peer) -> None:
        for size in range(0, len(body), 4_000_000):
            peer.stop_reading()
            await asyncio.sleep(0.16)
            peer.transport.resume_reading()
            await until(lambda size=size: len(peer.received) >= size)
        await peer.request()
        await peer.send(fixed(b"got it"))
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        response = await client.send(post(upstream, body), msgspec.structs.replace(PATIENT, first_byte=1.0))
        assert await response.read(100) == b"got it"


async def test_an_early_refusal_stops_the_upload(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        peer.stop_reading()
        await peer.send(b"HTTP/1.1 413 Too Large\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
        await peer.cue()
        peer.transport.resume_reading()
        await asyncio.sleep(0.1)  # reads on, but no more than was on its way comes
        sizes.append(len(peer.received))
        await peer.send(b"0\r\n\r\n")
        await peer.stall()

    sizes: list[int] = []
    async with HostileUpstream(script) as upstream:
        sink = Sink(await client.send(post(upstream, bytes(50_000_000)), PATIENT)).start()
        await sink.first()
        upstream.peers[0].go()
        assert await sink.finish() == b"x"
        assert sizes[0] < 20_000_000
        assert client.counts.open == 0  # of use to nobody: it ended in the middle of a request
        assert await upstream.peers[0].was_closed()


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
