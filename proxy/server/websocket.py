"""WebSocket mode of the Responses API: the upgrade, and all connections of one worker (wire reference, section 1.6)."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from aiohttp import web

from ..errors import BadRequest, ExchangeError, Forbidden, Overloaded, UpgradeRequired
from ..exchange import Exchange
from ..pipeline import Pipeline
from ..reply import Reply
from ..stores.turn_memory import MemoryRoom
from .http import client_of, request_id, to_response
from .running import Running
from .websocket_connection import Socket, SocketConnection, SocketOptions
from .websocket_frames import Unsent

_VERSION = "13"
_REMEMBERED = 256 * 1024 * 1024


class WebSockets:
    """Serves WebSockets over a pipeline. `handle` is the handler of upgrades; `running` counts the exchanges."""

    def __init__(self, pipeline: Pipeline, running: Running, options: SocketOptions) -> None:
        self._pipeline = pipeline
        self._running = running
        self._options = options
        self._room = MemoryRoom(_REMEMBERED)
        self._connections: set[SocketConnection] = set()
        self._none = asyncio.Event()
        self._none.set()
        self._draining = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers an upgrade, and serves the connection to its end; a refusal is an ordinary HTTP answer."""
        socket = Socket(self._options.max_message)
        refusal = await self._refusal(request, socket)
        if refusal is not None:
            return to_response(request, refusal)
        socket.headers["server"] = "penstock"
        socket.headers["x-request-id"] = request_id(request)
        await socket.prepare(request)
        connection = SocketConnection(request, socket, self._pipeline, self._running, self._options, self._room)
        self._connections.add(connection)
        self._none.clear()
        try:
            if self._draining:
                connection.drain()
            await connection.run()
        finally:
            self._connections.discard(connection)
            if not self._connections:
                self._none.set()
        return socket

    def go_on_with(self, other: WebSockets) -> None:
        """Has what is asked from now on answered as those others would answer it, who have no connection yet."""
        self._pipeline, self._running, self._options = other._pipeline, other._running, other._options
        for connection in self._connections:
            connection.go_on_with(self._pipeline, self._running)

    def drain(self) -> None:
        """Closes the connections that wait for nothing, and the others when what they have asked is answered."""
        self._draining = True
        for connection in tuple(self._connections):
            connection.drain()

    def cut_off(self, error: ExchangeError) -> None:
        """Refuses what waits for its turn, and closes each connection when what runs has ended."""
        self._draining = True
        for connection in tuple(self._connections):
            connection.cut_off(error)

    async def closed(self) -> None:
        """Returns when no connection is open."""
        await self._none.wait()

    async def _refusal(self, request: web.BaseRequest, socket: Socket) -> Reply | None:
        """Returns why an upgrade is not answered by one."""
        exchange = Exchange(request_id(request), client_of(request), None)
        try:
            self._check(request, socket)
            for stage in self._pipeline.stages:
                if "key" in stage.sets and isinstance(reply := await stage.on_request(exchange), Reply):
                    if reply.error is not None:
                        await self._pipeline.refuse(exchange, reply.error, Unsent())
                    return reply
        except ExchangeError as error:
            reply = await self._pipeline.refuse(exchange, error, Unsent())
            if isinstance(error, UpgradeRequired):
                reply.headers["sec-websocket-version"] = _VERSION
            return reply
        return None

    def _check(self, request: web.BaseRequest, socket: Socket) -> None:
        if self._draining:
            raise Overloaded("The server is shutting down.", code="server_error", retry_after_s=1)
        version = request.headers.get("sec-websocket-version", "")
        if version != _VERSION:
            raise UpgradeRequired(f"WebSocket version {version!r} is not spoken here: use {_VERSION}.")
        if not socket.can_prepare(request):
            raise BadRequest("This is no valid WebSocket handshake.", code="invalid_handshake")
        if not self._pipeline.authenticates and _is_foreign(request):
            raise Forbidden("A page of another origin may not use this server.", code="origin_not_allowed")


def _is_foreign(request: web.BaseRequest) -> bool:
    """Tells whether a browser has sent a request for a page of another origin.

    A page may open a WebSocket to any server that its reader can reach, and read the answers; where nobody is asked
    for a key, nothing else would keep it from using the models behind this one.
    """
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
