"""The client's side: heads, framing, the end, and an end that nobody can take for one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiohttp.http import HttpVersion

from proxy.server.passthrough_stream import RawStream


class Transport:
    def __init__(self):
        self.written = b""
        self.closed = False

    def write(self, data):
        self.written += data

    def close(self):
        self.closed = True


def stream(version=(1, 1), *, keep_alive=True, gone=False):
    connection = SimpleNamespace(
        transport=None if gone else Transport(), writing_paused=False, on_pause=1, on_resume=1, begun=False
    )
    request = SimpleNamespace(
        protocol=connection,
        version=HttpVersion(*version),
        keep_alive=keep_alive,
    )
    return RawStream(request), connection, request


def sent(connection):
    head, _, body = connection.transport.written.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, {name: value for name, _, value in (line.partition(": ") for line in lines)}, body


async def test_a_body_of_known_length():
    one, connection, _ = stream()
    one.begin(206, {"x-a": "b\r\nx-evil: 1"}, 6)
    one.write(b"abc")
    one.write(b"")
    one.write(b"def")
    await one.write_eof()
    first, headers, body = sent(connection)
    assert (first, body) == ("HTTP/1.1 206 Partial Content", b"abcdef")
    assert (headers["content-length"], headers["server"]) == ("6", "penstock")
    assert headers["x-a"] == "b  x-evil: 1"
    assert "transfer-encoding" not in headers
    assert (one.opened, one.keep_alive, connection.transport.closed) == (True, True, False)
    assert connection.begun


async def test_a_body_of_unknown_length():
    one, connection, _ = stream()
    one.begin(200, {}, None)
    one.write(b"abc")
    one.write(b"")
    await one.write_eof()
    await one.write_eof()
    _, headers, body = sent(connection)
    assert (headers["transfer-encoding"], body) == ("chunked", b"3\r\nabc\r\n0\r\n\r\n")


async def test_to_a_client_that_knows_no_chunks():
    one, connection, _ = stream((1, 0))
    one.begin(200, {}, None)
    one.write(b"abc")
    await one.write_eof()
    _, headers, body = sent(connection)
    assert (headers["connection"], body, one.keep_alive) == ("close", b"abc", False)


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_that_can_have_no_body(status):
    one, connection, _ = stream()
    one.begin(status, {}, None)
    await one.write_eof()
    _, headers, body = sent(connection)
    assert not {"content-length", "transfer-encoding"} & headers.keys()
    assert (body, one.keep_alive) == (b"", True)


async def test_a_status_without_a_name():
    one, connection, _ = stream(keep_alive=False)
    one.begin(299, {}, 0)
    first, headers, _ = sent(connection)
    assert (first, headers["connection"]) == ("HTTP/1.1 299 ", "close")


@pytest.mark.parametrize("length", [None, 10])
async def test_a_cut_ends_the_connection(length):
    one, connection, _ = stream()
    one.begin(200, {}, length)
    one.write(b"abc")
    before = connection.transport.written
    one.cut()
    await one.write_eof()
    assert (connection.transport.written, connection.transport.closed, one.keep_alive) == (before, True, False)


async def test_a_client_that_has_gone():
    one, _, _ = stream(gone=True)
    one.begin(200, {}, None)
    one.write(b"abc")
    one.cut()
    await one.write_eof()
    assert one.opened


def test_the_flow_is_the_connections():
    one, connection, _ = stream()
    one.on_flow(None, None)
    assert (connection.on_pause, connection.on_resume, one.paused) == (None, None, False)
    connection.writing_paused = True
    assert one.paused
