"""Requests whose heads are known: to whoever asks, they are what aiohttp would have made of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from proxy.server.connection import Connection, Server
from proxy.server.heads import Heads
from proxy.server.http import client_of, request_id
from proxy.server.known_request import KnownRequest

MARK = web.RequestKey("mark", int)
HEAD = (
    "POST /v1/chat/completions HTTP/1.1\r\nHost: here\r\nX-Request-Id: given\r\nX-A: 1\r\n"
    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n"
)


@asynccontextmanager
async def asked(bodies: list[bytes], look: Callable[[web.BaseRequest], Any]) -> AsyncIterator[list[tuple[bool, Any]]]:
    """Yields whether the head of each request was known, and what was seen of it; all come on one connection."""
    seen: list[tuple[bool, Any]] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        result = look(request)
        seen.append((isinstance(request, KnownRequest), await result if asyncio.iscoroutine(result) else result))
        return web.Response(body=b"<>")

    server = Server(handle, access_log=None, auto_decompress=False)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        for body in bodies:
            writer.write(HEAD.format(len(body)).encode() + body)
            assert (await reader.readuntil(b">")).startswith(b"HTTP/1.1 200")
        yield seen
        writer.close()
    listening.close()
    await server.shutdown(1)


async def test_it_is_what_aiohttp_makes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def everything(request: web.BaseRequest) -> list[Any]:
        assert isinstance(request.protocol, Connection)
        request[MARK] = 1
        said = [request.method, request.path, request.version, request.keep_alive, request.remote, request[MARK]]
        client = client_of(request)
        said += [client.address, client.headers, client.method, client.path, request_id(request)]
        said += [list(request.headers.items()), request.raw_headers, request.raw_path, request.query_string]
        said += [request.content_length, request.content_type, request.host, str(request.url), request.can_read_body]
        said += [request.writer.output_size, request.transport is not None, await request.read(), await request.json()]
        return said

    async with asked([b'{"a":1}'] * 2, everything) as seen:
        pass
    monkeypatch.setattr(Heads, "find", lambda self, data: None)
    async with asked([b'{"a":1}'], everything) as seen_by_aiohttp:
        pass
    assert [known for known, _ in (*seen, *seen_by_aiohttp)] == [True, True, False]
    assert seen[0][1] == seen[1][1] == seen_by_aiohttp[0][1]


async def test_its_body_is_its_own_whatever_its_length() -> None:
    bodies = [b"{}", b'{"a":1}', b"1", b"x" * 60_000]

    def said(request: web.BaseRequest) -> Any:
        assert isinstance(request, KnownRequest)
        return request.body, request.client().headers["content-length"], request.headers["content-length"]

    async with asked(bodies, said) as seen:
        assert [what for _, what in seen] == [(body, str(len(body)), str(len(body))) for body in bodies]


async def test_what_it_has_not_it_has_not() -> None:
    def look(request: web.BaseRequest) -> Any:
        assert isinstance(request, KnownRequest)
        request._cancel(ConnectionError())  # which is nothing to one that is there
        request.lighten()
        assert request.body == b""
        return getattr(request, "app", "none"), getattr(request, "match_info", "none")

    async with asked([b"{}"], look) as seen:
        assert seen == [(True, ("none", "none"))]
