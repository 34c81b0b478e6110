"""The connection, and how exchanges over it end: cancelled, closed, released, held back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.errors import UpstreamCut
from proxy.upstream.pool import Http1Client
from proxy.upstream.response import Response
from tests.support.hostile import (
    PATIENT,
    SOON,
    HostileUpstream,
    Peer,
    Sink,
    answering,
    chunked,
    open_files,
    post,
    until,
)

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


async def test_cancelled_while_waiting_for_the_head(client: Http1Client) -> None:
    async with HostileUpstream(Peer.stall) as upstream:
        task = asyncio.create_task(client.send(post(upstream), PATIENT))
        await (await upstream.peer()).request()
        task.cancel()
        assert await upstream.peers[0].was_closed()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.counts.open == 0


async def test_cancelled_while_uploading(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        before = open_files()
        task = asyncio.create_task(client.send(post(upstream, bytes(50_000_000)), PATIENT))
        peer = await upstream.peer()
        await peer.head()
        peer.stop_reading()
        assert open_files() == before + 2
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # The socket is closed at once, though the upstream takes nothing of what was still to be sent.
        await until(lambda: open_files() == before + 1, SOON)
        peer.transport.resume_reading()
        assert await peer.was_closed()
        assert client.counts.open == 0


@pytest.mark.parametrize("phase", ["head", "streaming", "paused", "reading"])
async def test_closed_in_every_phase(client: Http1Client, phase: str) -> None:
    async with HostileUpstream(answering(CHUNKED + b"1\r\nx\r\n")) as upstream:
        response = await client.send(post(upstream), PATIENT)
        sink = Sink(response)
        if phase == "reading":
            task = asyncio.create_task(response.read(1000))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        elif phase != "head":
            await sink.start().first()
            if phase == "paused":
                response.pause()
        response.close()
        assert client.counts.open == 0
        assert await upstream.peers[0].was_closed()
        assert sink.ends == []


async def test_closed_by_its_reader_in_the_middle_of_a_delivery(client: Http1Client) -> None:
    async with HostileUpstream(answering(chunked(b"one", b"two", end=b""))) as upstream:
        response = await client.send(post(upstream), PATIENT)
        ends: list[object] = []
        response.stream(lambda _data: response.close(), ends.append)
        assert await upstream.peers[0].was_closed()
        assert ends == []


async def test_a_reader_that_fails_is_told_and_harms_nobody_else(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        await peer.cue()
        await peer.send(b"1\r\nx\r\n")
        await peer.stall()

    def bad(_data: bytes) -> None:
        raise ZeroDivisionError

    loop = asyncio.get_running_loop()
    reported: list[Any] = []
    loop.set_exception_handler(lambda _loop, context: reported.append(context["exception"]))
    async with HostileUpstream(script) as upstream:
        response = await client.send(post(upstream), PATIENT)
        sink = Sink(response)
        response.stream(bad, sink.on_end)
        upstream.peers[0].go()
        with pytest.raises(UpstreamCut):
            await sink.finish()
        assert [type(error) for error in reported] == [ZeroDivisionError]
        assert await upstream.peers[0].was_closed()


async def _released(client: Http1Client, upstream: HostileUpstream) -> Response:
    response = await client.send(post(upstream), PATIENT)
    await Sink(response).start().first()
    response.release()
    response.release()
    return response


async def test_released_before_an_end_that_comes_at_once(client: Http1Client) -> None:
    step = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"1\r\nx\r\n")
        await step.wait()
        await peer.send(b"4\r\nrest\r\n0\r\n\r\n")
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        await _released(client, upstream)
        assert client.counts.idle == 0
        step.set()
        await until(lambda: client.counts.idle, SOON)
        assert not upstream.peers[0].gone.is_set()


async def test_released_and_no_end_in_sight(client: Http1Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.upstream.http1.DRAIN_SECONDS", 0.1)
    async with HostileUpstream(answering(CHUNKED + b"1\r\nx\r\n")) as upstream:
        await _released(client, upstream)
        assert await upstream.peers[0].was_closed()
        assert client.counts.open == 0


async def test_released_and_an_end_that_is_put_off_again_and_again(
    client: Http1Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        while True:
            await peer.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.02)

    monkeypatch.setattr("proxy.upstream.http1.DRAIN_SECONDS", 0.2)
    async with HostileUpstream(script) as upstream:
        await _released(client, upstream)
        assert await upstream.peers[0].was_closed()
        assert client.counts.open == 0


async def test_released_before_a_flood(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        await peer.send_forever(b"1000\r\n" + bytes(0x1000) + b"\r\n")

    async with HostileUpstream(script) as upstream:
        await _released(client, upstream)
        assert await upstream.peers[0].was_closed()
        assert client.counts.open == 0


async def test_released_while_paused(client: Http1Client) -> None:
    async with HostileUpstream(answering(CHUNKED + b"1\r\nx\r\n")) as upstream:
        response = await client.send(post(upstream), PATIENT)
        sink = Sink(response).start()
        await sink.first()
        response.pause()
        upstream.peers[0].transport.write(b"0\r\n\r\n")
        response.release()
        await until(lambda: client.counts.idle, SOON)
        assert sink.ends == []


async def test_released_where_only_the_end_of_the_connection_ends_the_body(client: Http1Client) -> None:
    async with HostileUpstream(answering(OK + b"\r\nx")) as upstream:
        await _released(client, upstream)
        assert client.counts.open == 0
        assert await upstream.peers[0].was_closed()


async def test_released_from_within_the_last_delivery(client: Http1Client) -> None:
    step = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        await step.wait()
        await peer.send(b"1\r\nx\r\n0\r\n\r\n")
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        response = await client.send(post(upstream), PATIENT)
        done = asyncio.Event()
        ends: list[object] = []

        def on_data(_data: bytes) -> None:
            response.release()
            done.set()

        response.stream(on_data, ends.append)
        step.set()
        await done.wait()
        await asyncio.sleep(0)
        assert client.counts.idle == 1
        assert ends == []


async def test_a_paused_reader_holds_the_upstream_back(client: Http1Client) -> None:
    total = 200_000_000
    piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        for _ in range(total // 0x10000):
            await peer.send(piece)
        await peer.stall()

    async with HostileUpstream(script, send_buffer=64 * 1024) as upstream:
        response = await client.send(post(upstream), PATIENT)
        sink = Sink(response).start()
        await sink.first()
        response.pause()
        peer = upstream.peers[0]
        sent = await _at_rest(peer)
        assert sent < 8_000_000
        before = len(sink.body)
        assert before <= sent
        response.resume()
        await until(lambda: len(sink.body) > before + 10_000_000)
        response.close()


async def test_an_answer_nobody_reads_yet_is_held_back(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        await peer.send_forever(b"10000\r\n" + bytes(0x10000) + b"\r\n")

    async with HostileUpstream(script, send_buffer=64 * 1024) as upstream:
        response = await client.send(post(upstream), PATIENT)
        assert await _at_rest(upstream.peers[0]) < 8_000_000
        sink = Sink(response).start()
        assert len(await sink.first()) < 1_000_000
        await until(lambda: len(sink.body) > 10_000_000)
        response.close()


async def _at_rest(peer: Peer) -> int:
    """Waits until the upstream cannot send more for a fifth of a second; returns how much it has sent."""
    async with asyncio.timeout(10):
        while True:
            sent = peer.sent
            await asyncio.sleep(0.2)
            if peer.sent == sent and peer.blocked:
                return sent
