"""One client's WebSocket, from the upgrade to its end.

It ends when the client closes it or is gone, when its time is over, and when the server stops. What still runs is then
aborted, upstream and all; only a stop of the server waits for it. What the connection remembers goes with it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from ..errors import BadRequest, ExchangeError, Overloaded, RateLimited, RequestTooLarge
from ..exchange import Client, Exchange
from ..pipeline import Pipeline
from ..reply import Reply
from ..stores.turn_memory import MemoryRoom, TurnMemory
from .connection import Connection
from .http import client_of
from .running import Running
from .websocket_frames import Deflater, Frames, MessageStream
from .websocket_lanes import LaneBounds, Lanes
from .websocket_messages import (
    Create,
    Steer,
    binary_message,
    error_message,
    read_message,
    reply_messages,
    steer_failed,
)

logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
"""aiohttp warns of subprotocols that it does not know by quoting them, and browsers put keys there."""

_CLOSE_S = 1.0
"""How long a client may take to answer a close frame."""
_LINGER_S = 5.0
_LINGER_STEP_S = 0.1
_PATIENCE = 8
"""How many beats a client may stay silent although it was pinged at each."""


class SocketOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a WebSocket may take: bytes of a message, seconds of its life, seconds between pings (0: none), lanes."""

    max_message: int
    life_s: float = 3600.0
    ping_s: float = 15.0
    bounds: LaneBounds = LaneBounds()


class Socket(web.WebSocketResponse[Any]):
    """aiohttp's side of a WebSocket: the handshake, reading, pongs, closing. `frames` is there once it is prepared."""

    def __init__(self, max_message: int) -> None:
        super().__init__(timeout=_CLOSE_S, max_msg_size=max_message, decode_text=False)
        self._max_message = max_message
        self._ended = False
        self.connection: Connection | None = None
        self.frames: Frames | None = None

    async def prepare(self, request: web.BaseRequest) -> Any:
        """Answers the upgrade."""
        prepared = await super().prepare(request)
        if self.frames is None:
            self.connection = request.protocol  # type: ignore[assignment]  # our Server makes no other
            assert self.connection is not None
            self.frames = Frames(self.connection, self._deflater())
        return prepared

    def _deflater(self) -> Deflater | None:
        if not self.compress:
            return None
        agreed = self.headers.get("sec-websocket-extensions", "")
        return Deflater(int(self.compress), takeover="server_no_context_takeover" not in agreed)

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        """Closes; tells a client that has sent too much why, which a close frame alone hardly does."""
        if self.frames is not None and not self._ended:
            self._ended = True
            if code == WSCloseCode.MESSAGE_TOO_BIG:
                message = b"message too large"
                self.frames.texts([error_message(self._too_large())])
                await self._linger()
            self.frames.closed = True
        return await super().close(code=code, message=message, drain=drain)

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"The message is larger than {self._max_message} bytes (limits.body).")

    async def _linger(self) -> None:
        """Reads on for a while what is not taken: closing on data that still comes would take back what was said."""
        assert self.connection is not None
        loop = asyncio.get_running_loop()
        until, seen = loop.time() + _LINGER_S, -1
        while self.connection.received != seen and loop.time() < until:
            seen = self.connection.received
            await asyncio.sleep(_LINGER_STEP_S)


class _Farewell(msgspec.Struct, frozen=True):
    """How the server ends a connection: the close frame, and the error message before it."""

    code: int
    reason: bytes
    error: ExchangeError | None = None


class SocketConnection:
    """Serves one WebSocket that was opened: `run` returns when it is over and all that ran is settled."""

    def __init__(
        self,
        request: web.BaseRequest,
        socket: Socket,
        pipeline: Pipeline,
        running: Running,
        options: SocketOptions,
        room: MemoryRoom,
    ) -> None:
        assert socket.frames is not None
        assert socket.connection is not None
        self._socket = socket
        self._frames = socket.frames
        self._connection = socket.connection
        self._client = _asking(request)
        self._pipeline = pipeline
        self._running = running
        self._options = options
        self._memory = TurnMemory(room=room)
        self._lanes = Lanes(self._serve, options.bounds, self._lanes_idle)
        self._life: asyncio.Timeout | None = None
        self._farewell: _Farewell | None = None
        self._draining = False
        self._refusal: ExchangeError = Overloaded("The server is shutting down.", code="server_error", retry_after_s=1)
        self._beats: asyncio.TimerHandle | None = None
        self._received = self._connection.received
        self._silent = 0

    async def run(self) -> None:
        """Takes messages until the end."""
        try:
            self._schedule_beat()
            if not await self._read_in_time():
                await self._say_farewell()
        finally:
            if self._beats is not None:
                self._beats.cancel()
            self._frames.closed = True
            try:
                await self._lanes.close()
            finally:
                self._memory.close()

    def go_on_with(self, pipeline: Pipeline, running: Running) -> None:
        """Has the messages to come answered by another pipeline; what runs ends as it has begun."""
        self._pipeline, self._running = pipeline, running

    def drain(self) -> None:
        """Takes nothing more; closes when what was asked is answered."""
        self._draining = True
        if not self._lanes.busy:
            self._lanes_idle()

    def cut_off(self, error: ExchangeError) -> None:
        """As `drain`, but what waits for its turn is not served any more. What runs is for the pipeline to end."""
        self._refusal = error
        for create in self._lanes.take_waiting():
            self._frames.texts([error_message(error, create.lane)])
        self.drain()

    # --- what comes

    async def _read_in_time(self) -> bool:
        """Takes messages until the client closes; False when its time is over before, or the server has to stop."""
        try:
            async with asyncio.timeout(self._options.life_s) as self._life:
                if self._farewell is not None:
                    self._end(self._farewell)
                await self._read()
        except TimeoutError:
            return False
        finally:
            self._life = None
        return True

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                self._take(read_message(message.data))
            elif message.type is WSMsgType.BINARY:
                self._take(binary_message(len(message.data)))
            if self._frames.paused:
                await self._frames.writable()  # or whoever reads no answers would fill the memory with them

    def _take(self, message: Create | Steer) -> None:
        if isinstance(message, Steer):
            self._frames.texts([steer_failed(message)])
        elif self._draining:
            self._frames.texts([error_message(self._refusal, message.lane)])
        else:
            try:
                self._lanes.add(message)
            except RateLimited as error:
                self._frames.texts([error_message(error, message.lane)])

    async def _serve(self, create: Create) -> None:
        """Answers one message: an exchange of its own, with the head of the upgrade.

        A continuation that fails can no longer be continued over this connection.
        """
        exchange = Exchange("req_" + secrets.token_hex(16), self._client, create.request)
        exchange.memory = self._memory
        exchange.generate = create.generate
        stream = MessageStream(self._frames, create.lane)
        held = self._memory.hold(create.previous) if create.previous is not None else None
        try:
            with self._running:
                fault = create.fault or self._overloaded()
                reply: Reply | None
                if fault is not None:
                    reply = await self._pipeline.refuse(exchange, fault, stream)
                else:
                    reply = await self._pipeline.serve(exchange, stream)
        finally:
            stream.on_flow(None, None)
            self._memory.release(held)
        if create.previous is not None and exchange.error is not None:
            self._memory.forget(create.previous)
        if reply is not None:
            self._frames.texts(reply_messages(reply, create.lane))

    def _overloaded(self) -> ExchangeError | None:
        try:
            self._running.check()
        except Overloaded as error:
            return error
        return None

    # --- the end

    def _lanes_idle(self) -> None:
        if self._draining:
            self._end(_Farewell(WSCloseCode.GOING_AWAY, b"the server is shutting down"))

    def _end(self, farewell: _Farewell) -> None:
        """Stops reading, and ends in this way."""
        self._farewell = farewell
        if self._life is not None:
            self._life.reschedule(asyncio.get_running_loop().time())

    async def _say_farewell(self) -> None:
        farewell = self._farewell or _Farewell(WSCloseCode.GOING_AWAY, b"time limit reached", self._too_old())
        if farewell.error is not None:
            self._frames.texts([error_message(farewell.error)])
        self._frames.closed = True
        await self._lanes.close()
        await self._socket.close(code=farewell.code, message=farewell.reason)

    def _too_old(self) -> BadRequest:
        return BadRequest(
            f"A connection is served for {self._options.life_s / 60:g} minutes (limits.websocket): open a new one.",
            code="websocket_connection_limit_reached",
        )

    # --- pings

    def _schedule_beat(self) -> None:
        if self._options.ping_s:
            self._beats = asyncio.get_running_loop().call_later(self._options.ping_s, self._beat)

    def _beat(self) -> None:
        """Pings; drops a client that has been silent for too long. One that does not read is watched elsewhere."""
        received = self._connection.received
        self._silent = self._silent + 1 if received == self._received and not self._frames.paused else 0
        self._received = received
        if self._silent > _PATIENCE:
            if self._connection.transport is not None:
                self._connection.transport.abort()
            return
        if not self._frames.paused:
            self._frames.ping()
        self._schedule_beat()


_OF_THE_UPGRADE = ("connection", "upgrade", "sec-websocket-")


def _asking(request: web.BaseRequest) -> Client:
    """Returns where each request of a connection comes from: the head of the upgrade, without what was its own."""
    client = client_of(request)
    headers = {name: value for name, value in client.headers.items() if not name.startswith(_OF_THE_UPGRADE)}
    return Client(client.address, headers, "POST", client.path)
