"""An answer that is sent whole: head and body in one write.

aiohttp's response does the same in three steps and some thirty calls, which is a good part of what a request costs that
is not streamed. `to_response` makes that one where an answer has anything out of the ordinary.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from functools import lru_cache
from http import HTTPStatus

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time

from ..reply import Reply
from .http import request_id, to_response
from .own_answer import OwnAnswer, header_value

_FIRST = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus if status >= 200}
_BODILESS = (204, 304)
_FRAMING = frozenset(("connection", "content-length", "date", "transfer-encoding"))
_plain_name = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII).fullmatch


class WholeAnswer(OwnAnswer):
    """One reply to one client, sent when aiohttp ends it."""

    def __init__(self, request: web.BaseRequest, reply: Reply, lines: str) -> None:
        super().__init__(request, frames=False)
        self._reply = reply
        self._lines = lines

    @property
    def keep_alive(self) -> bool:
        """Whether the connection can carry another request behind this answer."""
        return self._keep_alive is not False and self._request.keep_alive

    def end(self) -> Awaitable[None] | None:
        """Sends it; returns what is to be awaited where the client does not read, so that no answers pile up."""
        if self._ended:
            return None
        self._ended = self.opened = True
        connection = self._connection
        transport = connection.transport
        if transport is None:
            return None
        head = self._head()
        transport.write(head + self._reply.body)
        connection.sent += len(head)
        return connection.drained() if connection.writing_paused else None

    async def write_eof(self, data: bytes = b"") -> None:
        """Does the same, and waits."""
        if (rest := self.end()) is not None:
            await rest

    def _head(self) -> bytes:
        reply = self._reply
        said = tuple(reply.headers.values())
        together = "".join(said)
        if not (together.isascii() and together.isprintable()):
            said = tuple(map(header_value, said))
        first, rest = _FIRST[reply.status], self._rest()
        date, length = rfc822_formatted_time(), len(reply.body)
        return f"{first}{self._lines % said}{rest}date: {date}\r\ncontent-length: {length}\r\n\r\n".encode()

    def _rest(self) -> str:
        """Returns the lines that most answers do without."""
        request = self._request
        rest = "" if "x-request-id" in self._reply.headers else f"x-request-id: {request_id(request)}\r\n"
        if not self.keep_alive:
            return rest + "connection: close\r\n"
        return rest if request.version >= (1, 1) else rest + "connection: keep-alive\r\n"


def whole_answer(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    """Returns what answers a request, one that has a body, with a reply."""
    lines = _lines(tuple(reply.headers)) if reply.status in _FIRST and reply.status not in _BODILESS else None
    if lines is not None:
        return WholeAnswer(request, reply, lines)
    return to_response(request, reply)


@lru_cache(maxsize=256)
def _lines(names: tuple[str, ...]) -> str | None:
    """Returns the lines of headers, with a place for each value, and of who serves: the same for most answers.

    None where they cannot be written as they are: in lower case, so that none comes twice, and none of ours.
    """
    if not all(name not in _FRAMING and _plain_name(name) is not None for name in names):
        return None
    lines = "".join(f"{name.replace('%', '%%')}: %s\r\n" for name in names)
    return lines if "server" in names else lines + "server: penstock\r\n"
