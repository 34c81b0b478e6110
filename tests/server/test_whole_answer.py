"""Answers that are sent whole: their bytes, connections that go on and that close, clients that do not read."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.http import HttpVersion

from proxy.reply import Reply
from proxy.server.whole_answer import WholeAnswer, whole_answer

HEADERS = {"content-type": "application/json", "x-request-id": "req_1"}


class Connection:
    """A connection of which the other side may not read."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.transport: Any = SimpleNamespace(write=self.written.append)
        self.writing_paused = False
        self.begun = False
        self.read = asyncio.Event()

    async def drained(self) -> None:
        """Waits until the client reads."""
        await self.read.wait()


def asked(version: tuple[int, int] = (1, 1), *, keep_alive: bool = True) -> tuple[Any, Connection]:
    """Returns a request, and the connection on which it came."""
    connection = Connection()
    request = SimpleNamespace(
        protocol=connection,
        version=HttpVersion(*version),
        keep_alive=keep_alive,
        method="POST",
        headers={},
    )
    return request, connection


async def sent(reply: Reply, request: Any, connection: Connection) -> tuple[list[bytes], bytes]:
    """Returns the lines of the head and the body that an answer sends, which must be one write."""
    answer = whole_answer(request, reply)
    await answer.prepare(request)
    await answer.write_eof()
    await answer.write_eof()
    (data,) = connection.written
    head, _, body = data.partition(b"\r\n\r\n")
    assert connection.begun
    return head.split(b"\r\n"), body


async def test_head_and_body_are_one_write() -> None:
    lines, body = await sent(Reply(200, b'{"a":1}', {**HEADERS, "x-a": "b\r\nx-evil: 1"}), *asked())
    assert body == b'{"a":1}'
    assert lines[0] == b"HTTP/1.1 200 OK"
    names = [line.partition(b":")[0] for line in lines[1:]]
    assert sorted(names) == [b"content-length", b"content-type", b"date", b"server", b"x-a", b"x-request-id"]
    assert {b"x-a: b  x-evil: 1", b"content-length: 7", b"server: penstock"} < set(lines)


async def test_every_answer_has_an_id() -> None:
    lines, _ = await sent(Reply(429, b"{}", {"retry-after": "1"}), *asked())
    assert lines[0] == b"HTTP/1.1 429 Too Many Requests"
    assert sum(line.startswith(b"x-request-id: req_") for line in lines) == 1


@pytest.mark.parametrize(
    ("version", "keep_alive", "said"),
    [((1, 1), True, None), ((1, 1), False, b"close"), ((1, 0), True, b"keep-alive"), ((1, 0), False, b"close")],
)
async def test_what_becomes_of_the_connection_is_said(
    version: tuple[int, int], keep_alive: bool, said: bytes | None
) -> None:
    lines, _ = await sent(Reply(200, b"{}", HEADERS), *asked(version, keep_alive=keep_alive))
    found = [line.partition(b": ")[2] for line in lines if line.startswith(b"connection:")]
    assert found == ([] if said is None else [said])


async def test_a_server_that_stops_closes_behind_it() -> None:
    request, connection = asked()
    answer = whole_answer(request, Reply(200, b"{}", HEADERS))
    answer.force_close()
    await answer.write_eof()
    assert not answer.keep_alive
    assert b"connection: close\r\n" in connection.written[0]


async def test_whoever_does_not_read_is_waited_for() -> None:
    request, connection = asked()
    connection.writing_paused = True
    ending = asyncio.ensure_future(whole_answer(request, Reply(200, b"{}", HEADERS)).write_eof())
    await asyncio.sleep(0)
    assert connection.written
    assert not ending.done()
    connection.read.set()
    await asyncio.wait_for(ending, 10)


async def test_a_client_that_has_gone_is_told_nothing() -> None:
    request, connection = asked()
    connection.transport = None
    await whole_answer(request, Reply(200, b"{}", HEADERS)).write_eof()
    assert (connection.written, connection.begun) == ([], False)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(204, b"", HEADERS),
        Reply(299, b"", HEADERS),
        Reply(200, b"{}", {**HEADERS, "Content-Type": "text/plain"}),
        Reply(200, b"{}", {**HEADERS, "content-length": "9"}),
        Reply(200, b"{}", {**HEADERS, "x-" + "a" * 80: "b"}),
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_aiohttp(reply: Reply) -> None:
    answer = whole_answer(asked()[0], reply)
    assert isinstance(answer, web.Response)
    assert not isinstance(answer, WholeAnswer)
