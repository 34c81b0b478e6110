"""The client's side of an answer that is passed on as it is: its status, its headers, its bytes, its end or its cut."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time

from .connection import Connection
from .stream import header_value

_BODILESS = frozenset((204, 304))


class RawStream(web.StreamResponse):
    """One answer to one client. To aiohttp it is a response that prepares and ends itself."""

    def __init__(self, request: web.BaseRequest) -> None:
        super().__init__()
        self._request = request
        self._connection: Connection = request.protocol  # type: ignore[assignment]  # our Server makes no other
        self._frames = False  # whether each write is a chunk of HTTP's
        self._closes = False  # whether only the end of the connection ends the body
        self._ended = False
        self.opened = False

    @property
    def paused(self) -> bool:
        """True while the client does not read what was written."""
        return self._connection.writing_paused

    @property
    def keep_alive(self) -> bool:
        """Whether the connection can carry another request behind this answer."""
        return not self._closes and bool(self._request.keep_alive)

    def begin(self, status: int, headers: dict[str, str], length: int | None) -> None:
        """Sends status and headers; `length` is that of the body, None where only its end will tell."""
        transport = self._connection.transport
        self.opened = True
        if transport is None:
            return
        if status not in _BODILESS and length is None:
            self._frames = self._request.version >= (1, 1)
            self._closes = not self._frames
        reason = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
        lines = [f"HTTP/1.1 {status} {reason}\r\n", f"server: penstock\r\ndate: {rfc822_formatted_time()}\r\n"]
        lines += [f"{name}: {header_value(value)}\r\n" for name, value in headers.items()]
        if self._frames:
            lines.append("transfer-encoding: chunked\r\n")
        elif length is not None:
            lines.append(f"content-length: {length}\r\n")
        if not self.keep_alive:
            lines.append("connection: close\r\n")
        lines.append("\r\n")
        head = "".join(lines).encode()
        transport.write(head)
        self._request.writer.output_size += len(head)  # or a fault behind it would be answered by another head

    def write(self, data: bytes) -> None:  # type: ignore[override]  # sync: in the turn in which the data came
        """Sends bytes of the body, at once. Hot: once a read."""
        transport = self._connection.transport
        if transport is not None and data:  # an empty chunk would be the end
            transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._frames else data)

    def cut(self) -> None:
        """Ends the connection within the body, so that nobody takes what has come for all of it."""
        self._ended = self._closes = True
        transport = self._connection.transport
        if transport is not None:
            transport.close()

    def on_flow(self, pause: Callable[[], None] | None, resume: Callable[[], None] | None) -> None:
        """Says what to call when the client stops and starts reading."""
        self._connection.on_pause = pause
        self._connection.on_resume = resume

    async def prepare(self, request: web.BaseRequest) -> Any:
        """Does nothing: the head was sent by `begin`."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Ends the body."""
        if self._ended:
            return
        self._ended = True
        transport = self._connection.transport
        if transport is not None and self._frames:
            transport.write(b"0\r\n\r\n")
