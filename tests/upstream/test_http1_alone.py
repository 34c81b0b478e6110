"""The connection without a socket: fed by hand, read by read."""

from __future__ import annotations

import asyncio
import ssl
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import UpstreamCut, UpstreamUnreachable
from proxy.upstream.http1 import Http1Connection
from proxy.upstream.response import Response
from tests.support.hostile import PATIENT, Sink, chunked, fixed

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


class _Transport(asyncio.Transport):
    """A transport that goes nowhere; `unsent` is what it claims to hold back."""

    unsent = 0

    def write(self, data: Any) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def abort(self) -> None:
        pass


class _Owner:
    def __init__(self) -> None:
        self.events: list[str] = []

    def give_back(self, connection: Http1Connection) -> None:
        self.events.append("back")

    def lost(self, connection: Http1Connection) -> None:
        self.events.append("lost")


def _connection() -> tuple[Http1Connection, _Owner]:
    owner = _Owner()
    connection = Http1Connection(asyncio.get_running_loop(), owner, "a:1")
    connection.connection_made(_Transport({"ssl_object": object()}))
    return connection, owner


async def _answered(head: bytes) -> tuple[Http1Connection, _Owner, Response]:
    """Returns a connection within an exchange, of whose answer the head has come."""
    connection, owner = _connection()
    task = asyncio.create_task(connection.send(b"", b"", PATIENT, inf))
    await asyncio.sleep(0)
    connection.data_received(head)
    return connection, owner, await task


@settings(max_examples=60, deadline=None)
@given(data=st.data(), body=st.binary(max_size=3000), framing=st.sampled_from(["fixed", "chunked", "close"]))
def test_any_split_gives_the_same_body(data: st.DataObject, body: bytes, framing: str) -> None:
    if framing == "fixed":
        raw = fixed(body)
    elif framing == "chunked":
        raw = chunked(*(body[i : i + 700] for i in range(0, len(body), 700)))
    else:
        raw = OK + b"\r\n" + body
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    began = data.draw(st.integers(0, 7))

    async def run() -> tuple[bytes, list[object], list[str]]:
        connection, owner = _connection()
        task = asyncio.create_task(connection.send(b"", b"", PATIENT, inf))
        await asyncio.sleep(0)
        got: list[bytes] = []
        ends: list[object] = []
        for number, (a, b) in enumerate(zip([0, *cuts], [*cuts, len(raw)], strict=True)):
            if b > a:
                connection.data_received(raw[a:b])
            await asyncio.sleep(0)
            if number == began and task.done():
                task.result().stream(got.append, ends.append)
        connection.eof_received()
        response = await task
        if not got and not ends:
            response.stream(got.append, ends.append)
        assert b"" not in got
        return b"".join(got), ends, owner.events

    got, ends, events = asyncio.run(run())
    assert got == body
    assert ends == [None]
    assert events == (["lost"] if framing == "close" else ["back", "lost"])


async def test_what_is_no_body_may_add_up_over_a_long_stream() -> None:
    connection, _, response = await _answered(CHUNKED)
    sink = Sink(response).start()
    for _ in range(30_000):
        connection.data_received(b"1\r\n")
        connection.data_received(b"x\r\n")
    assert len(sink.data) == 30_000
    assert sink.ends == []
    response.close()


@pytest.mark.parametrize("call", ["close", "release"])
async def test_its_reader_is_done_within_the_last_delivery(call: str) -> None:
    connection, owner, response = await _answered(CHUNKED)
    ends: list[object] = []
    response.stream(lambda _data: getattr(response, call)(), ends.append)
    connection.data_received(b"1\r\nx\r\n0\r\n\r\n")
    assert owner.events == (["lost"] if call == "close" else ["back"])
    assert ends == []


async def test_a_connection_that_is_closed_sends_nothing() -> None:
    connection, owner = _connection()
    connection.connection_lost(None)
    with pytest.raises(UpstreamCut) as caught:
        await connection.send(b"", b"", PATIENT, inf)
    assert caught.value.before_bytes
    assert owner.events == ["lost"]


async def test_a_connection_that_ends_twice_is_lost_once() -> None:
    connection, owner, response = await _answered(CHUNKED)
    sink = Sink(response).start()
    connection.eof_received()
    connection.connection_lost(None)
    connection.data_received(b"late")
    connection.abort()
    assert owner.events == ["lost"]
    assert [type(end) for end in sink.ends] == [UpstreamCut]


async def test_an_answer_to_a_request_that_is_not_out_yet_ends_the_connection() -> None:
    connection, owner, response = await _answered(OK + b"content-length: 1\r\n\r\n")
    transport: Any = connection._transport
    transport.unsent = 1
    sink = Sink(response).start()
    connection.data_received(b"x")
    assert (sink.body, sink.ends) == (b"x", [None])
    assert owner.events == ["lost"]


@pytest.mark.parametrize("fresh", [True, False])
async def test_tls_that_fails_before_an_answer(fresh: bool) -> None:
    connection, _ = _connection()
    connection.fresh = fresh
    task = asyncio.create_task(connection.send(b"", b"", PATIENT, inf))
    await asyncio.sleep(0)
    connection.connection_lost(ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] alert"))
    # A kept connection has shaken hands before: its end says nothing of certificates, and it may be replaced.
    with pytest.raises(UpstreamUnreachable if fresh else UpstreamCut):
        await task


async def test_who_leaves_in_the_turn_of_its_answer_does_not_take_anothers_connection() -> None:
    connection, owner = _connection()
    first = asyncio.create_task(connection.send(b"", b"", PATIENT, inf))
    await asyncio.sleep(0)
    connection.data_received(fixed(b"one"))
    assert owner.events == ["back"]
    second = asyncio.create_task(connection.send(b"", b"", PATIENT, inf))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await asyncio.sleep(0)
    connection.data_received(fixed(b"two"))
    assert await (await second).read(10) == b"two"
    assert not connection.closed


async def test_who_leaves_in_the_turn_of_its_head_closes_its_own_connection() -> None:
    connection, owner = _connection()
    task = asyncio.create_task(connection.send(b"", b"", PATIENT, inf))
    await asyncio.sleep(0)
    connection.data_received(CHUNKED)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert connection.closed
    assert owner.events == ["lost"]


async def test_an_aborted_connection_leaves_nobody_waiting() -> None:
    connection, _ = _connection()
    task = asyncio.create_task(connection.send(b"", b"", PATIENT, inf))
    await asyncio.sleep(0)
    connection.abort()
    with pytest.raises(UpstreamCut):
        await task
