"""aiohttp's connection, holding less: what it lets go of, and that nothing is missed for it."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from proxy.reply import Reply
from proxy.server.connection import Connection, Server
from proxy.server.known_request import KnownRequest
from proxy.server.whole_answer import whole_answer

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def light(request: web.BaseRequest) -> web.StreamResponse:
    """Answers with what it was sent, of which the connection has let go of by then."""
    connection = request.protocol
    assert isinstance(connection, Connection)
    body = await request.read()
    connection.lighten(request)
    held = connection._parser is not None
    assert request.keep_alive is (request.path != "/last")
    return web.Response(body=b"<%b %d>" % (body, held))


@asynccontextmanager
async def serving(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] = light, **options: float
) -> AsyncIterator[Connect]:
    server = Server(handle, access_log=None, auto_decompress=False, **options)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    try:
        async with asyncio.timeout(20):
            yield lambda: asyncio.open_connection(*listening.sockets[0].getsockname())
    finally:
        listening.close()
        await server.shutdown(1)


def post(body: bytes, path: str = "/", more: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: x\r\n{more}content-length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("ends", [len(post(b"one")), 30])
async def test_requests_follow_one_another_whatever_was_let_go_of(ends: int) -> None:
    asked = post(b"one")
    async with serving() as connect:
        reader, writer = await connect()
        for _ in range(3):  # in one read, or in two
            writer.write(asked[:ends])
            if ends < len(asked):
                await asyncio.sleep(0.001)  # so that it mostly comes by itself; both ways must be answered
                writer.write(asked[ends:])
            answer = await reader.readuntil(b">")
            assert answer.endswith(b"<one 0>") or (ends < len(asked) and answer.endswith(b"<one 1>"))
        writer.write(post(b"two", "/last", "connection: close\r\n"))
        assert b"<two " in await reader.read()
        writer.close()


@pytest.mark.parametrize("behind", [post(b"two"), post(b"two")[:9], b"GET / HT"], ids=["whole", "cut", "get"])
async def test_a_request_that_follows_at_once_is_not_lost_with_the_parser(behind: bytes) -> None:
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(post(b"one") + behind)
        assert (await reader.readuntil(b">")).endswith(b"<one 1>")  # which has read a part of the next one
        rest = post(b"two") if behind.startswith(b"POST") else b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
        writer.write(rest[len(behind) :])
        assert b"<two " in await reader.readuntil(b">") or not behind.startswith(b"POST")
        writer.close()


async def test_what_looks_like_the_end_of_a_head_in_a_body_hides_nothing_that_follows() -> None:
    one, two = post(b"\r\n\r\none"), post(b"two")
    within = one.index(b"\r\n\r\n") + 3
    async with serving() as connect:
        reader, writer = await connect()
        writer.write(one[:within])
        await asyncio.sleep(0.01)  # so that it mostly comes by itself; both ways must be answered
        writer.write(one[within:] + two[:4])  # as long as a whole request would be that begins with this body's
        assert (await reader.readuntil(b">")).endswith(b"one 1>")
        writer.write(two[4:])
        assert b"<two " in await reader.readuntil(b">")
        writer.close()


async def test_chunks_and_requests_without_a_body_are_served_too() -> None:
    async with serving() as connect:
        reader, writer = await connect()
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            assert b"<abc 1>" in await reader.readuntil(b">")  # where its end is, is not sure
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert b"< 0>" in await reader.readuntil(b">")
        writer.write(b"nonsense\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.0 400")
        writer.close()


async def test_a_body_that_nobody_reads_is_passed_over_or_ends_the_connection() -> None:
    async def ignore(request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        connection.lighten(request)  # keeps what is still being read
        return web.Response(body=b"<>")

    async with serving(ignore, lingering_time=0.2) as connect:
        reader, writer = await connect()
        head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\n"
        writer.write(head + b"abc")
        assert (await reader.readuntil(b">")).endswith(b"<>")
        writer.write(b"def" + head)  # the rest comes in time, and the rest of the next one does not
        assert (await reader.readuntil(b">")).endswith(b"<>")
        assert await reader.read() == b""
        writer.close()


async def test_an_idle_connection_is_closed_after_its_time_also_behind_a_stream() -> None:
    async with serving(keepalive_timeout=0.05) as connect:
        reader, writer = await connect()
        writer.write(post(b"one"))
        assert b"<one 0>" in await reader.read()
        writer.close()


async def test_who_leaves_cancels_the_handler() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait(request: web.BaseRequest) -> web.StreamResponse:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return web.Response()

    async with serving(wait) as connect:
        _, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await begun.wait()
        writer.close()
        await ended.wait()


async def test_how_large_a_request_was_is_known_only_of_one_that_came_alone_in_one_read() -> None:
    connections: list[Connection] = []

    async def measured(request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request.protocol, Connection)
        connections.append(request.protocol)
        return web.Response(body=f"<{request.protocol.came_whole}>".encode())

    asked = post(b"one")
    async with serving(measured) as connect:
        reader, writer = await connect()

        async def answer(first: bytes, rest: bytes = b"") -> str:
            before = connections[0].received if connections else 0
            writer.write(first)
            while rest and connections[0].received < before + len(first):
                await asyncio.sleep(0.001)  # until it was read by itself
            writer.write(rest)
            return (await reader.readuntil(b">")).decode().rpartition("<")[2]

        whole = f"{len(asked)}>"
        assert [await answer(asked) for _ in range(3)] == [whole] * 3
        assert await answer(asked[:20], asked[20:]) == "None>"
        assert await answer(asked) == whole
        assert await answer(asked + asked) == "None>"
        await reader.readuntil(b">")
        writer.close()


async def flood(writer: asyncio.StreamWriter) -> None:
    """Sends for ever: who does that is not heard for ever."""
    while True:
        writer.write(b"y" * 100_000)
        await writer.drain()


async def test_an_answer_to_what_is_no_request_is_not_lost_while_more_of_that_comes() -> None:
    async with serving(lingering_time=5.0) as connect:
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nx: " + b"y" * 3_000_000)
        assert (await reader.read()).endswith(b"}")
        writer.close()
    async with serving(lingering_time=0.05) as connect:
        reader, writer = await connect()
        writer.write(b"no request\r\n\r\n")
        assert b"400" in await reader.readline()
        with pytest.raises(ConnectionError):
            await flood(writer)


def known(body: bytes) -> bytes:
    return post(body, "/v1/responses", "content-type: application/json\r\n")


@pytest.mark.parametrize(
    "behind", [known(b"two"), known(b"two")[:9], b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"nonsense\r\n\r\n"]
)
async def test_whatever_follows_a_request_with_a_known_head_is_served_as_ever(behind: bytes) -> None:
    kinds: list[bool] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        kinds.append(isinstance(request, KnownRequest))
        return await light(request)

    async with serving(handle) as connect:
        reader, writer = await connect()
        for _ in range(4):
            writer.write(known(b"one"))
            assert (await reader.readuntil(b">")).endswith(b"<one 0>")
        assert kinds == [True] * 4
        writer.write(behind)
        if behind == known(b"two")[:9]:
            await asyncio.sleep(0.001)  # so that it mostly comes by itself; both ways must be answered
            writer.write(known(b"two")[9:])
        said = await reader.readuntil(b"}" if b"nonsense" in behind else b">")
        assert (b"<two 0>" in said) or (b"< 0>" in said) or said.startswith(b"HTTP/1.0 400")
        if b"nonsense" not in behind:
            writer.write(known(b"three") + known(b"four"))  # together: neither is alone
            assert b"<three 1>" in await reader.readuntil(b">")
            assert b"<four 1>" in await reader.readuntil(b">")
            assert kinds[-2:] == [False, False]
        writer.close()


async def test_a_handler_that_fails_on_a_known_head_is_answered_for() -> None:
    async def fail(request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request, KnownRequest)
        raise ValueError

    async with serving(fail) as connect:
        reader, writer = await connect()
        writer.write(known(b"one"))
        assert (await reader.read()).startswith(b"HTTP/1.1 500")
        writer.close()


async def test_who_leaves_cancels_the_handler_of_a_known_head_too() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait(request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request, KnownRequest)
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return web.Response()

    async with serving(wait) as connect:
        _, writer = await connect()
        writer.write(known(b"one"))
        await begun.wait()
        writer.close()
        await ended.wait()


async def test_a_known_head_is_read_anew_where_heads_may_be_shorter_now() -> None:
    server = Server(light, access_log=None, auto_decompress=False)
    before = server()
    server.limit_heads(100)
    assert isinstance(before, Connection)
    after = server()
    assert isinstance(after, Connection)
    assert before._heads is not after._heads


async def test_an_idle_connection_holds_nothing_of_what_was_asked_and_answered() -> None:
    held: list[weakref.ref[object]] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        answer = whole_answer(request, Reply(200, b"<>", {"x-request-id": "one"}))
        held.extend((weakref.ref(request), weakref.ref(answer)))
        return answer

    async with serving(handle) as connect:
        reader, writer = await connect()
        for _ in range(3):
            writer.write(known(b"one"))
            await reader.readuntil(b">")
            while any(one() is not None for one in held):
                await asyncio.sleep(0.001)
        writer.close()
