"""An answer that writes its own bytes: to aiohttp it is a response that prepares and ends itself."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from .connection import Connection

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class OwnAnswer(web.StreamResponse):
    """One answer to one client. `opened` once its head was sent; `frames` says whether each write is a chunk of HTTP's.

    Only the end of the connection ends a body that is neither framed nor of a known length: then nothing may follow it.
    """

    __hash__ = object.__hash__  # as the parent's, which is a call

    opened = False
    _ended = False
    _keep_alive: bool | None = None

    def __init__(self, request: web.BaseRequest, *, frames: bool) -> None:
        # not the parent's: its headers, cookies and body would be made for nobody
        self._request = request
        self._connection: Connection = request.protocol  # type: ignore[assignment]  # our Server makes no other
        self._frames = frames

    def __repr__(self) -> str:
        state = "ended" if self._ended else "opened" if self.opened else "not opened"
        return f"<{type(self).__name__} {state}>"

    @property
    def paused(self) -> bool:
        """True while the client does not read what was written."""
        return self._connection.writing_paused

    def on_flow(self, pause: Callable[[], None] | None, resume: Callable[[], None] | None) -> None:
        """Says what to call when the client stops and starts reading."""
        self._connection.on_pause = pause
        self._connection.on_resume = resume

    async def prepare(self, request: web.BaseRequest) -> Any:
        """Does nothing: the head is sent when it is known."""
        return None

    def end(self) -> Awaitable[None] | None:
        """Ends it when its handler has returned; returns what is still to be awaited, if anything is."""
        return self.write_eof()

    async def write_eof(self, data: bytes = b"") -> None:
        """Ends the body."""
        if self._ended:
            return
        self._ended = True
        transport = self._connection.transport
        if transport is not None and self._frames:
            transport.write(b"0\r\n\r\n")

    def _send_head(
        self, first: str, headers: Mapping[str, str], length: int | None = None, *, body: bytes = b""
    ) -> bool:
        """Sends the head, which begins with these lines, and what of the body is there, framed as it has to be.

        Returns whether there is still a client to send it to.
        """
        transport = self._connection.transport
        self.opened = True
        if transport is None:
            return False
        said = "".join(headers.values())
        if said.isascii() and said.isprintable():  # each of them, then
            lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        else:
            lines = [f"{name}: {header_value(value)}\r\n" for name, value in headers.items()]
        if self._frames:
            lines.append("transfer-encoding: chunked\r\n")
        elif length is not None:
            lines.append(f"content-length: {length}\r\n")
        if not self.keep_alive:
            lines.append("connection: close\r\n")
        head = "".join((first, *lines, "\r\n")).encode()
        transport.write(head + body if body else head)
        self._connection.begun = True  # or a fault behind it would be answered by another head
        return True


def header_value(value: str) -> str:
    """Returns a header's value without what would begin another header, or could not be sent in one."""
    if value.isascii() and value.isprintable():
        return value
    return _CONTROL.sub(" ", value).encode("ascii", "replace").decode()
