"""Client connections: flow control by callback; errors are tested with the routes."""

from __future__ import annotations

import asyncio

from aiohttp import web

from proxy.server.connection import Connection, Server


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
