"""The client's side of an answer that is passed on as it is: its status, its headers, its bytes, its end or its cut."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time

from .own_answer import OwnAnswer

_BODILESS = frozenset((204, 304))


class RawStream(OwnAnswer):
    """One answer to one client."""

    def __init__(self, request: web.BaseRequest) -> None:
        super().__init__(request, frames=False)
        self._closes = False  # whether only the end of the connection ends the body

    @property
    def keep_alive(self) -> bool:
        """Whether the connection can carry another request behind this answer."""
        return not self._closes and bool(self._request.keep_alive)

    def begin(self, status: int, headers: dict[str, str], length: int | None) -> None:
        """Sends status and headers; `length` is that of the body, None where only its end will tell."""
        if status not in _BODILESS and length is None:
            self._frames = self._request.version >= (1, 1)
            self._closes = not self._frames
        reason = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
        first = f"HTTP/1.1 {status} {reason}\r\nserver: penstock\r\ndate: {rfc822_formatted_time()}\r\n"
        self._send_head(first, headers, length)

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
