"""The connection, against an upstream that misbehaves in every way we could think of."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import msgspec
import pytest

from proxy.errors import UpstreamCut, UpstreamGarbled, UpstreamTimeout
from proxy.upstream.answer import MAX_HEAD, MAX_INTERIM, Answer
from proxy.upstream.client import UpstreamRequest
from proxy.upstream.deadlines import Deadlines
from proxy.upstream.http1 import Http1Connection
from proxy.upstream.pool import Http1Client
from proxy.upstream.response import Response
from tests.support.hostile import PATIENT, HostileUpstream, Peer, Sink, answering, chunked, fixed, post, until

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


async def test_what_goes_over_the_wire(client: Http1Client) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(fixed(b"hello", status=418, headers="X-A: 1\r\nx-a: 2\r\n"))
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        response = await client.send(post(upstream, b'{"a":1}', authorization="Bearer k"), PATIENT)
        assert response.status == 418
        assert response.headers["x-a"] == "1, 2"
        assert await response.read(100) == b"hello"
        assert seen == [
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer k\r\n"
            b'accept-encoding: identity\r\ncontent-length: 7\r\n\r\n{"a":1}' % upstream.port
        ]


BODIES = {
    "fixed": fixed(b"hello, world"),
    "chunked": chunked(b"hello", b", ", b"world"),
    "trailers": chunked(b"hello", b", world", end=b"0\r\nx-t: 1\r\n\r\n"),
    "old": b"HTTP/1.0 200 OK\r\n\r\nhello, world",
    "until close": OK + b"content-type: text/event-stream\r\n\r\nhello, world",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Hints\r\na: b\r\n\r\n"
    + fixed(b"hello, world"),
}


@pytest.mark.parametrize("raw", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("manner", ["at once", "trickled"])
async def test_every_way_to_frame_a_body(client: Http1Client, raw: bytes, manner: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await (peer.send(raw) if manner == "at once" else peer.trickle(raw))
        peer.close()

    async with HostileUpstream(script) as upstream:
        response = await client.send(post(upstream), PATIENT)
        assert await Sink(response).start().finish() == b"hello, world"


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body(client: Http1Client, status: int) -> None:
    raw = f"HTTP/1.1 {status} Nothing\r\ncontent-length: 10\r\n\r\n".encode()
    async with HostileUpstream(answering(raw, fixed(b"next"))) as upstream:
        response = await client.send(post(upstream), PATIENT)
        assert (response.status, await response.read(10)) == (status, b"")
        assert await (await client.send(post(upstream), PATIENT)).read(10) == b"next"
        assert len(upstream.peers) == 1


GARBLED = {
    "garbage": (b"<html>busy</html>\r\n\r\n", "it is no HTTP/1.1"),
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x16", "it is no HTTP/1.1"),
    "switch": (b"HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "101"),
    "interim flood": (b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM + 1), "interim"),
    "head": (OK + b"x: " + b"a" * (2 * MAX_HEAD), "head"),
    "headers": (OK + b"a: b\r\n" * 300, "headers"),
    "length": (OK + b"content-length: many\r\n\r\nx", "in Content-Length"),
}


@pytest.mark.parametrize(("raw", "why"), GARBLED.values(), ids=GARBLED.keys())
async def test_heads_that_are_none(client: Http1Client, raw: bytes, why: str) -> None:
    async with HostileUpstream(answering(raw)) as upstream:
        with pytest.raises(UpstreamGarbled, match=why) as caught:
            await client.send(post(upstream), PATIENT)
        assert f"127.0.0.1:{upstream.port}" in str(caught.value)
        assert await upstream.peers[0].was_closed()


@pytest.mark.parametrize(
    "flood",
    [b"x-more: and more\r\n", b"a" * 1000, b"HTTP/1.1 102 Processing\r\n\r\n"],
    ids=["lines", "one line", "102"],
)
async def test_a_head_that_never_ends(client: Http1Client, flood: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK if b"HTTP" not in flood else b"")
        await peer.send(b"x: " if flood.startswith(b"a") else b"")
        await peer.send_forever(flood)

    async with HostileUpstream(script) as upstream:
        with pytest.raises(UpstreamGarbled):
            await client.send(post(upstream), PATIENT)
        assert await upstream.peers[0].was_closed()
        assert upstream.peers[0].sent < 10_000_000


async def test_a_head_that_comes_too_slowly(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.trickle(OK)
        while True:
            await peer.trickle(b"x: y\r\n")
            await asyncio.sleep(0.01)

    async with HostileUpstream(script) as upstream:
        with pytest.raises(UpstreamTimeout, match=r"did not begin to answer within 0\.2 s") as caught:
            await client.send(post(upstream), msgspec.structs.replace(PATIENT, first_byte=0.2))
        assert caught.value.phase == "first_byte"
        assert await upstream.peers[0].was_closed()


CUT_BODIES = {
    "fixed": fixed(b"hello")[:-2],
    "no chunk end": chunked(b"hello", end=b""),
    "half a chunk": CHUNKED + b"ff\r\nhello",
    "half a last chunk": chunked(b"hello", end=b"0\r\n"),
    "no body at all": OK + b"content-length: 5\r\n\r\n",
}


@pytest.mark.parametrize("raw", CUT_BODIES.values(), ids=CUT_BODIES.keys())
@pytest.mark.parametrize("manner", ["close", "end", "reset"])
async def test_bodies_that_break_off(client: Http1Client, raw: bytes, manner: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(raw)
        await peer.cue()
        getattr(peer, manner)()
        if manner == "end":
            await peer.stall()

    async with HostileUpstream(script) as upstream:
        response = await client.send(post(upstream), PATIENT)
        sink = Sink(response).start()
        if b"hel" in raw:
            await sink.first()
        upstream.peers[0].go()
        with pytest.raises(UpstreamCut, match="before its answer was complete"):
            await sink.finish()
        assert sink.body in (b"hello", b"hel", b"")
        assert await upstream.peers[0].was_closed()


@pytest.mark.parametrize(("raw", "before_bytes"), [(b"", True), (b"HTTP/1.", False), (OK + b"x: y\r\n", False)])
@pytest.mark.parametrize("manner", ["close", "end", "reset"])
async def test_heads_that_break_off(client: Http1Client, raw: bytes, before_bytes: bool, manner: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if raw:
            await peer.send(raw)
            await until(lambda: heads)
        getattr(peer, manner)()
        if manner == "end":
            await peer.stall()

    heads: list[int] = []
    original = Http1Connection.data_received

    def noting(self: Http1Connection, data: bytes) -> None:
        heads.append(len(data))
        original(self, data)

    async with HostileUpstream(script) as upstream:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Http1Connection, "data_received", noting)
            with pytest.raises(UpstreamCut) as caught:
                await client.send(post(upstream), PATIENT)
        assert caught.value.before_bytes is before_bytes
        assert len(upstream.peers) == 1  # a new connection that breaks is no reason to ask twice


async def test_a_reset_is_no_end_of_a_body(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"\r\nhel")
        await peer.cue()
        peer.reset()

    async with HostileUpstream(script) as upstream:
        sink = Sink(await client.send(post(upstream), PATIENT)).start()
        await sink.first()
        upstream.peers[0].go()
        with pytest.raises(UpstreamCut):
            await sink.finish()


async def test_what_came_before_a_fault_is_delivered(client: Http1Client) -> None:
    async with HostileUpstream(answering(chunked(b"good", end=b"nonsense\r\n"))) as upstream:
        sink = Sink(await client.send(post(upstream), PATIENT)).start()
        with pytest.raises(UpstreamGarbled, match="chunk size"):
            await sink.finish()
        assert sink.body == b"good"
        assert await upstream.peers[0].was_closed()


@pytest.mark.parametrize("flood", [b"x" * 997, b"x: y\r\n"], ids=["chunk extension", "trailers"])
async def test_what_is_no_body_and_never_ends(client: Http1Client, flood: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(chunked(b"good", end=b"5;x=" if flood.startswith(b"xx") else b"0\r\n"))
        await peer.send_forever(flood)

    async with HostileUpstream(script) as upstream:
        sink = Sink(await client.send(post(upstream), PATIENT)).start()
        with pytest.raises(UpstreamGarbled, match=r"is larger than|more than"):
            await sink.finish()
        assert sink.body == b"good"


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_smuggled_second_answer(client: Http1Client, at_once: bool) -> None:
    evil = fixed(b"not for you")

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer is not upstream.peers[0]:
            await peer.send(fixed(b"honest"))
        elif at_once:
            await peer.send(fixed(b"first") + evil)
        else:
            await peer.send(fixed(b"first"))
            await peer.send(evil)
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        response = await client.send(post(upstream), PATIENT)
        assert await response.read(100) == b"first"
        assert await upstream.peers[0].was_closed()
        response = await client.send(post(upstream), PATIENT)
        assert await response.read(100) == b"honest"
        assert len(upstream.peers) == 2


async def test_more_bytes_than_the_length_says(client: Http1Client) -> None:
    raw = OK + b"content-length: 5\r\n\r\nhello, and more than was said"
    async with HostileUpstream(answering(raw)) as upstream:
        response = await client.send(post(upstream), PATIENT)
        assert await response.read(100) == b"hello"
        assert await upstream.peers[0].was_closed()


async def test_one_call_for_each_read(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        for _ in range(3):
            await peer.cue()
            await peer.send(b"1\r\na\r\n2\r\nbc\r\n1\r\nd\r\n")
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        response = await client.send(post(upstream), PATIENT)
        sink = Sink(response).start()
        for _ in range(3):
            sink.came.clear()
            upstream.peers[0].go()
            await sink.first()
        assert sink.data == [b"abcd"] * 3
        response.close()


@pytest.mark.parametrize("phase", ["first_byte", "idle", "total"])
async def test_each_limit_names_itself(client: Http1Client, phase: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if phase != "first_byte":
            await peer.send(CHUNKED)
            await peer.send(b"1\r\nx\r\n")
        while phase == "total":
            await peer.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.01)
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        limits: Any = {phase: 0.2}
        with pytest.raises(UpstreamTimeout) as caught:
            await Sink(await client.send(post(upstream), msgspec.structs.replace(PATIENT, **limits))).start().finish()
        assert caught.value.phase == phase
        assert "0.2 s" in str(caught.value)
        assert await upstream.peers[0].was_closed()


async def test_signs_of_life_with_a_body_or_without_keep_the_idle_limit_away(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        await peer.send(b"1;ext=")
        for _ in range(15):
            await peer.send(b"y")
            await asyncio.sleep(0.02)
        await peer.send(b"\r\nx\r\n")
        for _ in range(15):
            await peer.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.02)
        await peer.send(b"0\r\n\r\n")
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        response = await client.send(post(upstream), msgspec.structs.replace(PATIENT, idle=0.2))
        assert await Sink(response).start().finish() == b"x" * 16


async def test_the_idle_limit_does_not_run_while_paused(client: Http1Client) -> None:
    async with HostileUpstream(answering(CHUNKED + b"1\r\nx\r\n")) as upstream:
        response = await client.send(post(upstream), msgspec.structs.replace(PATIENT, idle=0.15))
        sink = Sink(response).start()
        await sink.first()
        response.pause()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sink.over.wait(), 0.5)
        response.resume()
        with pytest.raises(UpstreamTimeout):
            await sink.finish()


async def test_a_read_sets_no_timer(client: Http1Client, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []

    class Counted(Deadlines):
        __slots__ = ()

        def _arm(self, due: float, now: float) -> None:
            before = self._timer, self._second
            super()._arm(due, now)
            if (self._timer, self._second) != before:
                made.append(due)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        while True:
            await peer.cue()
            await peer.send(b"1\r\nx\r\n")

    monkeypatch.setattr("proxy.upstream.http1.Deadlines", Counted)
    async with HostileUpstream(script) as upstream:
        response = await client.send(post(upstream), PATIENT)
        sink = Sink(response).start()
        for _ in range(50):
            sink.came.clear()
            upstream.peers[0].go()
            await sink.first()
        assert len(sink.data) == 50
        assert 1 <= len(made) <= 2
        response.close()


async def test_any_split_over_a_real_socket(client: Http1Client) -> None:
    raw = chunked(b"data: one\n\n", b"data: t", b"wo\n\n", b"data: [DONE]\n\n")
    reads: list[bytes] = []

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            for read in reads:
                await peer.send(read)
                await asyncio.sleep(0)

    async with HostileUpstream(script) as upstream:
        for cut in range(1, len(raw)):
            reads[:] = [raw[:cut], raw[cut:]]
            response = await client.send(post(upstream), PATIENT)
            assert await Sink(response).start().finish() == b"data: one\n\ndata: two\n\ndata: [DONE]\n\n"
        assert len(upstream.peers) == 1


async def test_a_read_answer_is_freed_without_the_collector(client: Http1Client) -> None:
    async with HostileUpstream(answering(*[chunked(b"x")] * 3)) as upstream:
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                await (await client.send(post(upstream), PATIENT)).read(10)
            await asyncio.sleep(0)  # this turn of the loop itself holds the last one
            left = [type(each) for each in gc.get_objects() if isinstance(each, Response | Answer)]
            assert left == [Answer]  # with which the connection reads the next one
            await client.close()
            assert not any(isinstance(each, Answer) for each in gc.get_objects())
        finally:
            gc.enable()


async def test_the_clock_stops_with_the_answer(client: Http1Client) -> None:
    async with HostileUpstream(answering(fixed(b"x"), fixed(b"y"))) as upstream:
        quick = msgspec.structs.replace(PATIENT, first_byte=0.1, idle=0.1, total=0.1)
        assert await (await client.send(post(upstream), quick)).read(10) == b"x"
        await asyncio.sleep(0.15)
        assert client.counts.idle == 1
        request = UpstreamRequest(method="GET", url=upstream.url(), headers={})
        assert await (await client.send(request, quick)).read(10) == b"y"


async def test_an_idle_connection_that_speaks_is_closed(client: Http1Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(fixed(b"x"))
        await peer.cue()
        await peer.send(b"HTTP/1.1 408 Too Slow\r\n\r\n")
        await peer.stall()

    async with HostileUpstream(script) as upstream:
        response = await client.send(post(upstream), PATIENT)
        assert await response.read(10) == b"x"
        assert client.counts.idle == 1
        upstream.peers[0].go()
        assert await upstream.peers[0].was_closed()
        assert client.counts.open == 0
