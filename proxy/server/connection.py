"""Client connections: aiohttp's, with flow control by callback and JSON for requests that are no HTTP."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, cast

from aiohttp import StreamReader, web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from ..errors import BadRequest, ExchangeError, InternalError
from ..reply import Reply
from .chunk_writer import ChunkWriter
from .heads import Heads
from .known_request import KnownRequest
from .lean import LeanHandler


class _BrokenBody(web.RequestPayloadError, TimeoutError):
    """A body turned out to be no HTTP. A timeout to aiohttp, which drops what nobody reads and expects nothing else."""


class Connection(LeanHandler):
    """One client connection. `on_pause` and `on_resume` are called when its client stops and starts reading.

    A client that has read nothing for `stalled_s` although there is something to read is dropped, whatever is being
    sent to it; that cancels its handler.
    """

    __slots__ = ("_chunks", "_grace_s", "_last_body", "_stall", "_stalled_s", "_unread", "on_pause", "on_resume")

    def __init__(self, *args: Any, stalled_s: float = 120.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_pause: Callable[[], None] | None = None
        self.on_resume: Callable[[], None] | None = None
        self._stalled_s = stalled_s
        self._stall: asyncio.TimerHandle | None = None
        self._unread = 0
        self._grace_s = 0.0
        self._last_body: StreamReader | None = None
        self._chunks: ChunkWriter | None = None  # who writes the stream that runs, or has run last

    def pause_writing(self) -> None:
        """The client does not keep up: tells the stream's source to stop."""
        super().pause_writing()
        if self.transport is not None:
            self._watch(self.transport)
        if self.on_pause is not None:
            self.on_pause()

    def resume_writing(self) -> None:
        """The client has caught up: tells the stream's source to go on."""
        super().resume_writing()
        self._unwatch()
        if self.on_resume is not None:
            self.on_resume()

    async def drained(self) -> None:
        """Waits until the client has read enough of what was written; raises ConnectionError when it has left."""
        await self._drain_helper()

    def _watch(self, transport: asyncio.Transport) -> None:
        """Looks again after a while whether the client reads. The transport is kept: closing takes it from `self`."""
        self._unread = transport.get_write_buffer_size()
        self._stall = self._loop.call_later(self._stalled_s, self._look, transport)

    def _look(self, transport: asyncio.Transport) -> None:
        self._stall = None
        if transport.get_write_buffer_size() < self._unread:
            self._watch(transport)
        else:
            transport.abort()

    def _unwatch(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone: cancels its handler."""
        self._unwatch()
        self._last_body = None
        if self._chunks is not None:
            self._chunks.transport = None
        super().connection_lost(exc)

    def writes(self, chunks: ChunkWriter) -> None:
        """Gives whoever writes the stream that begins now the transport, until it is lost."""
        chunks.transport = self.transport
        self._chunks = chunks

    def data_received(self, data: bytes) -> None:
        """Takes what the client sent. A body that turns out to be no HTTP in its middle fails whoever reads it.

        aiohttp only puts the fault behind the requests that wait, where nobody comes to see it.
        """
        if not self._request_in_progress and self._takes_known(data):
            return
        before = len(self._messages)
        super().data_received(data)
        if len(self._messages) > before:
            head, body = self._messages[-1]
            if isinstance(head, RawRequestMessage):
                self._last_body = body
            elif self._last_body is not None and not self._last_body.is_eof():
                self._messages.pop()
                self._last_body.set_exception(_BrokenBody(_first_line(head.message)))
                self._leaving = True

    def lighten(self, request: web.BaseRequest) -> None:
        """Lets go of what an answer that has begun does not need."""
        super().lighten(request)
        if self._last_body is not None and self._last_body.is_eof():
            self._last_body = None

    def answer_last(self, grace_s: float) -> None:
        """Answers what is coming, or the next request, and closes behind that.

        Behind a stream that has begun already another request may be on its way: nothing has told its client that there
        is no time for it. It gets so many seconds, and an answer.
        """
        self._leaving = True
        self._grace_s = grace_s

    def leave(self) -> None:
        """Takes no more requests: closes when idle, else behind the answer of what has come or is still coming."""
        self._leaving = True
        if self._waiter is not None and not self._waiter.done():
            self.force_close()

    def _before_end(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """The last answer before the connection closes says so."""
        if not self._messages:
            if self._grace_s and self._has_begun(request) and response.keep_alive and not self._upgraded:
                self._keepalive_timeout = self._grace_s
                if self._keepalive_handle is not None:
                    self._keepalive_handle.cancel()
                    self._keepalive_handle = None  # set again behind the answer
            else:
                response.force_close()
                super().close()

    def _has_begun(self, request: web.BaseRequest) -> bool:
        """Tells whether something of the answer was sent."""
        return self.begun or (type(request) is not KnownRequest and request.writer.output_size > 0)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers what is no HTTP request, or what escaped a handler, with the API's error object; then closes."""
        if status >= 500:
            self.logger.error("a request handler failed", exc_info=exc)
        if self._has_begun(request):
            raise ConnectionError("The answer has begun already.")
        error: ExchangeError
        if isinstance(exc, LineTooLong):
            error = BadRequest("The request line or a header is too long (limits.header).", status=431)
        elif status < 500:
            error = BadRequest(f"This is no valid HTTP request: {_first_line(message or str(exc))}", status=status)
        else:
            error = InternalError("Penstock failed on this request; its log says why.", status=status)
        reply = Reply.from_error(error)
        own = {"server": "penstock", "x-request-id": "req_" + secrets.token_hex(16)}
        response = web.Response(status=reply.status, body=reply.body, headers={**own, **reply.headers})
        response.force_close()
        return response


class Server(web.Server):
    """Makes a `Connection` for each client; a client that leaves cancels its handler.

    `on_lost` is called when a connection is closed.
    """

    def __init__(self, handler: Callable[..., Any], **options: Any) -> None:
        super().__init__(handler, handler_cancellation=True)
        self._options = options
        self._heads = Heads()
        self.on_lost: Callable[[], None] | None = None
        self._open = 0
        self._empty: asyncio.Event | None = None  # there when somebody waits for it

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Notes a connection."""
        super().connection_made(handler, transport)
        self._open += 1

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forgets a connection."""
        super().connection_lost(handler, exc)
        self._open -= 1
        if self._empty is not None and not self._open:
            self._empty.set()
        if self.on_lost is not None:
            self.on_lost()

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=asyncio.get_running_loop(), heads=self._heads, **self._options)

    def limit_heads(self, most_bytes: int) -> None:
        """Changes how long a line of a request's head may be, for the connections to come."""
        self._options.update(max_line_size=most_bytes, max_field_size=most_bytes)
        self._heads = Heads(most_bytes)

    def answer_last(self, grace_s: float) -> None:
        """Has each connection answer one more request: its client may just be sending it, or soon behind a stream."""
        for connection in self.connections:
            cast(Connection, connection).answer_last(grace_s)

    async def emptied(self) -> None:
        """Returns when no connection is open."""
        if self._open:
            self._empty = asyncio.Event()
            await self._empty.wait()

    def pre_shutdown(self) -> None:
        """Lets the connections go that nobody waits on, and the others behind their answers."""
        for connection in self.connections:
            cast(Connection, connection).leave()


def _first_line(message: str) -> str:
    return message.strip().partition("\n")[0][:200]
