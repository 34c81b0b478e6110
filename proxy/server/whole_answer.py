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
from .known_request import KnownRequest
from .own_answer import OwnAnswer, header_value

_FIRST = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus if status >= 200}
_BODILESS = (204, 304)
_PLACE = "\0"
_FRAMING = frozenset(("connection", "content-length", "date", "transfer-encoding"))
_plain_name = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII).fullmatch


class WholeAnswer(OwnAnswer):
    """One reply to one client, sent when aiohttp ends it."""

    _frames = False

    # not the parent's, which is a step more
    def __init__(self, request: web.BaseRequest, reply: Reply, form: list[str]) -> None:
        self._request = request
        self._connection = request.protocol  # type: ignore[assignment]  # our Server makes no other
        self._reply = reply
        self._form = form

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
        headers = self._reply.headers
        said = [*headers.values()]
        together = "".join(said)
        if not (together.isascii() and together.isprintable()):
            said = [*map(header_value, said)]
        rest = "" if "x-request-id" in headers else f"x-request-id: {request_id(self._request)}\r\n"
        if type(self._request) is not KnownRequest or self._keep_alive is False:
            rest += self._of_connection()
        pieces = self._form.copy()
        pieces[1::2] = (*said, rest, rfc822_formatted_time(), str(len(self._reply.body)))
        return "".join(pieces).encode()

    def _of_connection(self) -> str:
        """Returns the line that most answers do without: what becomes of the connection."""
        if not self.keep_alive:
            return "connection: close\r\n"
        return "" if self._request.version >= (1, 1) else "connection: keep-alive\r\n"


def whole_answer(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    """Returns what answers a request, one that has a body, with a reply."""
    form = _form(reply.status, tuple(reply.headers))
    return to_response(request, reply) if form is None else WholeAnswer(request, reply, form)


@lru_cache(maxsize=256)
def _form(status: int, names: tuple[str, ...]) -> list[str] | None:
    """Returns the head of an answer, the same for most of them, in pieces: every other one is empty, and the place of
    the value of a header, of more lines, the date and the length of the body.

    None where it cannot be written as it is: headers are to be in lower case, so that none comes twice, and none of
    ours.
    """
    if status not in _FIRST or status in _BODILESS:
        return None
    if not all(name not in _FRAMING and _plain_name(name) is not None for name in names):
        return None
    lines = "".join(f"{name}: {_PLACE}\r\n" for name in names)
    own = "" if "server" in names else "server: penstock\r\n"
    text = f"{_FIRST[status]}{lines}{own}{_PLACE}date: {_PLACE}\r\ncontent-length: {_PLACE}\r\n\r\n"
    fixed = text.split(_PLACE)
    form = [""] * (2 * len(fixed) - 1)
    form[::2] = fixed
    return form
