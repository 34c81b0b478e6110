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
from .answer_form import AnswerForm
from .http import request_id, to_response
from .known_request import KnownRequest
from .own_answer import OwnAnswer

_FIRST = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in HTTPStatus if status >= 200}
_BODILESS = (204, 304)
_FRAMING = frozenset(("connection", "content-length", "date", "transfer-encoding"))
_plain_name = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII).fullmatch


class WholeAnswer(OwnAnswer):
    """One reply to one client, sent when its handler has returned."""

    _frames = False

    # not the parent's, which is a step more
    def __init__(self, request: web.BaseRequest, reply: Reply, form: AnswerForm) -> None:
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
        connection, reply = self._connection, self._reply
        transport = connection.transport
        if transport is None:
            return None
        transport.write(self._form.write(reply.headers, self._lines(), rfc822_formatted_time(), reply.body))
        connection.begun = True
        return connection.drained() if connection.writing_paused else None

    async def write_eof(self, data: bytes = b"") -> None:
        """Does the same, and waits."""
        if (rest := self.end()) is not None:
            await rest

    def _lines(self) -> str:
        """Returns the lines that most answers do without."""
        request = self._request
        lines = "" if "x-request-id" in self._reply.headers else f"x-request-id: {request_id(request)}\r\n"
        if type(request) is KnownRequest and self._keep_alive is None:
            return lines
        if not self.keep_alive:
            return lines + "connection: close\r\n"
        return lines if request.version >= (1, 1) else lines + "connection: keep-alive\r\n"


def whole_answer(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    """Returns what answers a request, one that has a body, with a reply."""
    form = _form(reply.status, tuple(reply.headers))
    return to_response(request, reply) if form is None else WholeAnswer(request, reply, form)


@lru_cache(maxsize=256)
def _form(status: int, names: tuple[str, ...]) -> AnswerForm | None:
    """Returns the form of an answer: most have the same.

    None where there is none: headers are to be in lower case, so that none comes twice, and none of ours.
    """
    if status not in _FIRST or status in _BODILESS:
        return None
    if not all(name not in _FRAMING and _plain_name(name) is not None for name in names):
        return None
    return AnswerForm(_FIRST[status], names)
