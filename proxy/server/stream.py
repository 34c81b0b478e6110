"""The client's side of a streamed answer: server-sent events over one HTTP response, each write sent at once.

aiohttp's response is prepared and written by coroutines. Events come by callback, so this response writes head and
chunks to the transport itself; to aiohttp it is a response that prepares and ends itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time

from .connection import Connection
from .keepalive import KeepAlive

_HEADERS = (
    "content-type: text/event-stream; charset=utf-8\r\n"
    "cache-control: no-cache\r\n"
    "x-accel-buffering: no\r\n"
    "server: penstock\r\n"
)

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class EventStream(web.StreamResponse):
    """One stream of events to one client. Implements the engine's ClientStream."""

    def __init__(self, request: web.BaseRequest, keepalive: KeepAlive) -> None:
        super().__init__()
        self._request = request
        self._connection: Connection = request.protocol  # type: ignore[assignment]  # our Server makes no other
        self._keepalive = keepalive
        self._chunked_body = request.version >= (1, 1)
        self._ended = False
        self.opened = False
        self.quiet = 0  # beats of the keep-alive since the last write

    @property
    def paused(self) -> bool:
        """True while the client does not read what was written."""
        return self._connection.writing_paused

    @property
    def keep_alive(self) -> bool:
        """Whether the connection can carry another request behind this answer."""
        return self._chunked_body and bool(self._request.keep_alive)

    def open(self, headers: dict[str, str]) -> None:
        """Sends status 200 and the headers."""
        transport = self._connection.transport
        self.opened = True
        if transport is None:
            return
        lines = [f"HTTP/1.1 200 {HTTPStatus.OK.phrase}\r\n", _HEADERS, f"date: {rfc822_formatted_time()}\r\n"]
        lines += [f"{name}: {header_value(value)}\r\n" for name, value in headers.items()]
        if self._chunked_body:
            lines.append("transfer-encoding: chunked\r\n")
        if not self.keep_alive:
            lines.append("connection: close\r\n")
        lines.append("\r\n")
        head = "".join(lines).encode()
        transport.write(head)
        self._request.writer.output_size += len(head)  # or a fault behind it would be answered by another head
        self._keepalive.add(self)

    def write(self, data: bytes) -> None:  # type: ignore[override]  # sync: in the turn in which the data came
        """Sends whole events, at once. Hot: once a read."""
        transport = self._connection.transport
        if transport is None or not data:  # an empty chunk would be the end
            return
        self.quiet = 0
        transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked_body else data)

    def finish(self) -> None:
        """Says that the last event was written; the body ends when the exchange is settled."""
        self._keepalive.discard(self)

    def on_flow(self, pause: Callable[[], None] | None, resume: Callable[[], None] | None) -> None:
        """Says what to call when the client stops and starts reading."""
        self._connection.on_pause = pause
        self._connection.on_resume = resume

    async def prepare(self, request: web.BaseRequest) -> Any:
        """Does nothing: the head was sent by `open`."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Ends the body."""
        if self._ended:
            return
        self._ended = True
        self._keepalive.discard(self)
        transport = self._connection.transport
        if transport is not None and self._chunked_body:
            transport.write(b"0\r\n\r\n")

    def drop(self) -> None:
        """Forgets the stream, however it ended."""
        self._keepalive.discard(self)
        self.on_flow(None, None)


def header_value(value: str) -> str:
    """Returns a header's value without what would begin another header, or could not be sent in one."""
    return _CONTROL.sub(" ", value).encode("ascii", "replace").decode()
