"""The client's side of a streamed answer: server-sent events over one HTTP response, each write sent at once.

aiohttp's response is prepared and written by coroutines. Events come by callback, so this response writes head and
chunks to the transport itself; to aiohttp it is a response that prepares and ends itself.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time

from ..chunks import frame
from .chunk_writer import ChunkWriter
from .keepalive import KeepAlive
from .own_answer import OwnAnswer

_HEAD = (
    "HTTP/1.1 200 OK\r\n"
    "content-type: text/event-stream; charset=utf-8\r\n"
    "cache-control: no-cache\r\n"
    "x-accel-buffering: no\r\n"
    "server: penstock\r\n"
)


class EventStream(OwnAnswer):
    """One stream of events to one client. Implements the engine's ClientStream."""

    _is_watched = False  # by the keep-alive

    def __init__(self, request: web.BaseRequest, keepalive: KeepAlive) -> None:
        super().__init__(request, frames=request.version >= (1, 1))
        self._keepalive = keepalive
        self._chunks = ChunkWriter()

    @property
    def keep_alive(self) -> bool:
        """Whether the connection can carry another request behind this answer."""
        return self._frames and bool(self._request.keep_alive)

    def open(self, headers: dict[str, str], events: bytes = b"") -> None:
        """Sends status 200 and the headers, and with them the first events: each write is a call to the system."""
        body = frame(events) if events and self._frames else events
        if self._send_head(f"{_HEAD}date: {rfc822_formatted_time()}\r\n", headers, body=body):
            self._is_watched = True
            self._keepalive.add(self)
            self._connection.writes(self._chunks)
            self._connection.lighten(self._request)

    @property
    def quiet(self) -> int:
        """Beats of the keep-alive since the last write."""
        return self._chunks.quiet

    @quiet.setter
    def quiet(self, beats: int) -> None:
        """Counts another one."""
        self._chunks.quiet = beats

    def write(self, data: bytes) -> None:  # type: ignore[override]  # sync: in the turn in which the data came
        """Sends whole events, at once. Hot: once a read."""
        if data:  # an empty chunk would be the end
            self._chunks.send(frame(data) if self._frames else data)

    @property
    def send(self) -> Callable[[bytes], None] | None:
        """What sends whole events in their frame, where there are frames."""
        return self._chunks.send if self._frames else None

    def finish(self) -> None:
        """Says that the last event was written; the body ends when the exchange is settled."""
        if self._is_watched:
            self._is_watched = False
            self._keepalive.discard(self)

    async def write_eof(self, data: bytes = b"") -> None:
        """Ends the body."""
        self.finish()
        await super().write_eof(data)

    def drop(self) -> None:
        """Forgets the stream, however it ended."""
        self.finish()
        self.on_flow(None, None)
