"""Client connections: flow control by callback; errors are tested with the routes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from proxy.server.connection import Connection, Server
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, body, chunk, finish, stream


async def test_a_slow_reader_is_told_by_callback() -> None:
    notes: list[str] = []
    paused, go = asyncio.Event(), asyncio.Event()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        connection.on_pause = lambda: (notes.append("pause"), paused.set())[0]
        connection.on_resume = lambda: notes.append("resume")
        response = web.StreamResponse()
        await response.prepare(request)
        assert request.transport is not None
        request.transport.set_write_buffer_limits(high=1 << 16)
        while not paused.is_set():
            request.transport.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await asyncio.sleep(0)
        go.set()
        await response.write_eof()
        return response

    listening = await asyncio.get_running_loop().create_server(
        Server(handle, access_log=None, auto_decompress=False), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    async with asyncio.timeout(10):
        await go.wait()
        await reader.read()
    writer.close()
    listening.close()
    assert notes[:2] == ["pause", "resume"]


async def test_a_client_that_never_reads_is_dropped_and_its_upstream_closed() -> None:
    provider = ScriptedProvider("a", stream(*[chunk(content="x" * 50_000)] * 2000, finish()))
    async with house(provider, stalled_s=0.05) as home:
        _, writer = await home.connect()
        exchange = await home.settled()
        writer.close()
    assert exchange.outcome == "cancelled"
    assert provider.client.responses[0].closed.is_set()


async def test_a_client_that_never_reads_a_plain_answer_is_dropped() -> None:
    answer = json.dumps({"choices": [{"message": {"content": "x" * 12_000_000}, "finish_reason": "stop"}]}).encode()
    async with house(ScriptedProvider("a", body(answer)), stalled_s=0.05) as home:
        _, writer = await home.connect(stream=False)
        await home.settled()
        assert home.server is not None
        async with asyncio.timeout(5):
            while home.server.connections:
                await asyncio.sleep(0.001)
        writer.close()


async def test_a_slow_reader_is_not_dropped() -> None:
    answer = json.dumps({"choices": [{"message": {"content": "x" * 12_000_000}, "finish_reason": "stop"}]}).encode()
    async with house(ScriptedProvider("a", body(answer)), stalled_s=0.2) as home:
        reader, writer = await home.connect(stream=False)
        size = 0
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(10):
            while size < 12_000_000:
                size += len(await reader.read(100_000))
                await asyncio.sleep(0.005)
        writer.close()
    assert asyncio.get_running_loop().time() - began > 0.2


async def test_an_idle_connection_closes_when_the_server_leaves_and_a_busy_one_behind_its_answer() -> None:
    gate = asyncio.Event()
    whole = body(b'{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}')
    async with house(ScriptedProvider("a", stream(chunk(content="x"), gate, finish()), whole)) as home:
        assert home.server is not None
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", home.port)
        idle_writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        busy, busy_writer = await home.connect()
        uploading, uploading_writer = await asyncio.open_connection("127.0.0.1", home.port)
        request = b'{"model":"m","input":"hi"}'
        head = b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        uploading_writer.write(head % len(request) + request[:5])
        async with asyncio.timeout(5):
            await idle.readuntil(b"}")
            await busy.readuntil(b'"delta":"x"')
            while home.app._running.count < 2:
                await asyncio.sleep(0)
            home.server.pre_shutdown()
            assert await idle.read() == b""
            uploading_writer.write(request[5:])
            gate.set()
            assert b"[DONE]" in await busy.read()
            answer = await uploading.read()
        for writer in (idle_writer, busy_writer, uploading_writer):
            writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer.lower()


async def test_a_server_that_others_replace_answers_what_is_on_its_way() -> None:
    async with house(ScriptedProvider("a", stream(chunk(content="x"), finish()))) as home:
        assert home.server is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
        asked = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
        writer.write(asked)
        async with asyncio.timeout(5):
            assert b"connection: close" not in (await reader.readuntil(b"}")).lower()
            home.server.answer_last(2.0)
            writer.write(asked)
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer.lower()


async def test_a_request_behind_a_stream_is_answered_where_others_replace_the_server() -> None:
    gate = asyncio.Event()
    provider = ScriptedProvider("a", stream(chunk(content="x"), gate, finish()))
    async with house(provider) as home:
        assert home.server is not None
        (first, one), (second, other) = await home.connect(), await home.connect()
        async with asyncio.timeout(20):
            for reader in (first, second):
                await reader.readuntil(b'"delta":"x"')
            home.server.answer_last(0.2)
            home.server.pre_shutdown()
            emptied = asyncio.ensure_future(home.server.emptied())
            gate.set()
            for reader in (first, second):
                await reader.readuntil(b"\r\n0\r\n\r\n")
            assert not emptied.done()
            one.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            answer = await first.read()
            assert await second.read() == b""
            await emptied
        one.close()
        other.close()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer.lower()


async def test_a_fault_behind_the_head_of_a_stream_is_not_answered_by_another_head() -> None:
    provider = ScriptedProvider("a", stream(chunk(content="x"), finish()))
    async with house(provider) as home:
        serve = home.pipeline.serve

        async def breaks(*args: Any) -> None:
            await serve(*args)
            raise RuntimeError("planted")

        home.pipeline.serve = breaks  # type: ignore[method-assign,assignment]
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            data = await reader.read()
        writer.close()
    assert data.count(b"HTTP/1.1") == 1
    assert not data.endswith(b"0\r\n\r\n")  # the client can tell that it has not all


async def test_a_bug_in_a_handler_is_a_json_error() -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        raise RuntimeError("planted detail")

    listening = await asyncio.get_running_loop().create_server(Server(handle, access_log=None), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    listening.close()
    assert answer.startswith(b"HTTP/1.1 500")
    assert b'"type":"server_error"' in answer
    assert b"planted" not in answer
    assert b"server: penstock" in answer.lower()
    assert b"x-request-id: req_" in answer.lower()
