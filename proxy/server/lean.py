"""aiohttp's server connection, holding less: an answer may take minutes, and thousands of them are open at a time.

What differs from aiohttp's: requests of a connection are served in its one task, not in a task each; what only the
reading of a request needs is let go of when its answer streams (`lighten`); the queue of requests is a list; a request
whose head is known already (see `heads`) does not go through aiohttp's parser, and an answer that ends itself not
through what aiohttp ends answers with.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiohttp import StreamReader, web
from aiohttp.http import HttpRequestParser, RawRequestMessage, StreamWriter
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import ERROR, MAX_MSG_QUEUE_SIZE, RequestHandler
from multidict import CIMultiDict, CIMultiDictProxy

from .heads import Heads, KnownHead
from .known_request import KnownRequest

_NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
_HEAD_END = b"\r\n\r\n"
_OVER = web.PayloadAccessError()


class LeanHandler(RequestHandler):
    """One client connection. `received` is how many bytes have come; an answer that writes itself says when it has
    `begun`. `heads` are those that are known.
    """

    __slots__ = (
        "_alone",
        "_at_boundary",
        "_auto_decompress",
        "_heads",
        "_leaving",
        "_likely",
        "_remote",
        "begun",
        "received",
    )

    _messages: Any

    def __init__(self, *args: Any, auto_decompress: bool = True, heads: Heads | None = None, **kwargs: Any) -> None:
        super().__init__(*args, auto_decompress=auto_decompress, **kwargs)
        self._heads = heads or Heads()
        self._leaving = False  # no more requests are to be taken than have come
        self._likely: KnownHead | None = None
        self._remote: str | None = None
        self._messages = []  # mostly none, or one: aiohttp's deque takes ten times the memory when it is empty
        self._auto_decompress = auto_decompress
        self._at_boundary = True  # all that has come are whole requests: the parser has begun no other one
        self._alone: int | None = None  # the length of a read that was one whole request, from its first byte
        self.received = 0
        self.begun = False

    @property
    def remote(self) -> str:
        """The address of the client; empty where it has none."""
        if self._remote is None:
            name: Any = self.peername or ""
            self._remote = str(name[0] if isinstance(name, (list, tuple)) else name)
        return self._remote

    @property
    def came_whole(self) -> int | None:
        """The bytes of the request that is served now, if it has come in one read, and nothing behind it yet."""
        return None if self._messages else self._alone

    @property
    def sockname(self) -> None:
        """The address at this end, which nobody asks for."""

    def data_received(self, data: bytes) -> None:
        """Takes what the client sent; or nothing, where aiohttp goes on with what the parser has held back."""
        if self._parser is None:
            if not data or self._manager is None:
                return
            self._parser = self.new_parser()
        self.received += len(data)
        before = len(self._messages)
        super().data_received(data)
        came = len(self._messages) - before
        if data or came:
            begins = self._at_boundary
            self._at_boundary = came == 1 and _is_whole(data, self._messages[-1][1])
            self._alone = len(data) if begins and self._at_boundary else None

    def _takes_known(self, data: bytes) -> bool:
        """Takes what has come if it is one whole request with a head that is known, and nobody has to wait for it.

        The parser, which stands between two requests, never hears of it. Hot: once a request.
        """
        if self._messages or self._upgraded or not self._at_boundary:
            return False
        head = self._likely
        body = None if head is None else head.body(data)
        if body is None:
            likely, head = head, self._heads.find(data)
            body = None if head is None or head is likely else head.body(data)
        if head is None or body is None or self._close or self._force_close:
            return False
        self._likely = head
        self.received += len(data)
        self._at_boundary, self._alone = True, len(data)
        self._messages.append(KnownRequest(head, body, self))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        return True

    def new_parser(self) -> HttpRequestParser:
        """Returns a parser with the limits of the connection."""
        return HttpRequestParser(
            self,
            self._loop,
            self._read_bufsize,
            max_line_size=self.max_line_size,
            max_field_size=self.max_field_size,
            max_headers=self.max_headers,
            payload_exception=web.RequestPayloadError,
            auto_decompress=self._auto_decompress,
            max_msg_queue_size=MAX_MSG_QUEUE_SIZE,
        )

    def lighten(self, request: web.BaseRequest) -> None:
        """Lets go of what an answer that has begun does not need: its request's head and the reader of its body, the
        timer for idle connections, and the parser where it stands between two requests; another one is made for the
        next. That is 4 kB, and more with many headers.
        """
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
            self._keepalive_handle = None  # set again behind the answer
        if isinstance(request, KnownRequest):
            request.lighten()
        elif request.content.is_eof():
            request._cache.clear()
            request._transport_peername = None
            request._payload = EMPTY_PAYLOAD
            request._headers = _NO_HEADERS
            request._message = request._message._replace(headers=_NO_HEADERS, raw_headers=())
        else:
            return
        self._cache.clear()
        if self._at_boundary and not self._messages and not self._upgraded:
            self._parser = None

    async def start(self) -> None:
        """Serves the requests of the connection, one after the other."""
        loop, manager = self._loop, self._manager
        assert manager is not None
        broken = False
        while not self._force_close:
            if not self._messages:
                self._waiter = loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            request: Any = self._messages.pop(0)
            handler: Any = self._request_handler
            if type(request) is not KnownRequest:
                request, handler = self._made(*request)
            broken = handler is not self._request_handler
            manager.requests_count += 1
            self._request_in_progress, self._current_request, self.begun = True, request, False
            try:
                try:
                    response: Any = await handler(request)
                except web.HTTPException as error:
                    response = error
                except TimeoutError:
                    response = self.handle_error(request, 504)
                except Exception as error:  # the top of a request
                    response = self.handle_error(request, 500, error)
                if self._leaving:
                    self._before_end(request, response)
                if hasattr(response, "end") and not self._upgraded:  # it is one of ours
                    if (rest := response.end()) is not None:
                        await rest
                else:
                    response, reset = await self.finish_response(request, response, None)
                    if reset:
                        break
                self._keepalive = bool(response.keep_alive)
                if type(request) is not KnownRequest:
                    self._is_over()
                    if not request.content.is_eof():
                        await self._pass_over(request.content)
                    request.content.set_exception(_OVER)
            except ConnectionError:
                break
            except asyncio.CancelledError:
                self.force_close()
                raise
            except Exception as error:  # the top of a connection
                self.logger.error("a connection failed", exc_info=error)
                self.force_close()
            finally:
                self._is_over()
                request._task = None  # as aiohttp does: it would be a circle
            if not self._keepalive or self._close or self._force_close:
                break
            del request, handler, response
            self._await_next()
        if not self._force_close:
            self._part(broken=broken)

    def _part(self, *, broken: bool) -> None:
        """Ends the connection, behind the answer to what was no request by and by: more of that may come for a while.

        Where a connection is closed before all was read that has come, the client is told of a reset, and may never see
        the answer. So what comes is thrown away until the client has ended its side.
        """
        self._task_handler = None
        transport = self.transport
        if transport is None:
            return
        if not broken:
            transport.close()
            return
        self.close()
        if transport.can_write_eof():
            transport.write_eof()
        self._loop.call_later(self._lingering_time, transport.close)

    def _before_end(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Called when an answer is about to be sent, or its end."""

    def _is_over(self) -> None:
        """Tells whoever waits for it that no request is being handled."""
        self._request_in_progress, self._current_request = False, None
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)

    def _made(self, message: Any, payload: StreamReader) -> tuple[web.BaseRequest, Any]:
        """Returns the request of a message that aiohttp has read, and what handles it."""
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        handler: Any = self._request_handler
        if not isinstance(message, RawRequestMessage):
            handler = self._make_error_handler(message)
            message = ERROR
        assert self._request_factory is not None
        task = self._task_handler or asyncio.current_task(self._loop)
        writer = StreamWriter(self, self._loop)
        return self._request_factory(message, payload, self, writer, cast(Any, task)), handler

    async def _pass_over(self, payload: StreamReader) -> None:
        """Reads the rest of a body that nobody wanted, for a while; closes the connection when more comes."""
        if not self._force_close and self._lingering_time:
            try:
                async with asyncio.timeout(self._lingering_time):
                    while not payload.is_eof():
                        await payload.readany()
            except TimeoutError:
                pass
        if not payload.is_eof():
            self.close()

    def _await_next(self) -> None:
        """Begins to count how long nothing comes."""
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)


def _is_whole(data: bytes, body: StreamReader) -> bool:
    """Tells whether a read ended with a request and all else in it was that request, or the end of the one before.

    Whatever is not sure is not. Where a read begins within the end of a head, the first such end is not that head's.
    """
    begins = not data.startswith((b"\r", b"\n"))
    return begins and body.is_eof() and len(data) == data.find(_HEAD_END) + len(_HEAD_END) + body.total_bytes
