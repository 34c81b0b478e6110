"""A request whose head was known before it came: nothing of it is read or made that nobody asks for.

To those who do ask it is aiohttp's request: aiohttp then reads the head after all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import StreamReader, web
from aiohttp.http import HttpVersion11, StreamWriter

from ..exchange import Client
from .heads import KnownHead

if TYPE_CHECKING:
    from .lean import LeanHandler


class KnownRequest(web.BaseRequest):
    """One request. `body` is all of it."""

    method = "POST"
    version = HttpVersion11
    keep_alive = True
    protocol: LeanHandler = None  # type: ignore[assignment]  # there from the first; aiohttp's cannot be set

    # not the parent's, which is called by whoever asks for anything else
    def __init__(self, head: KnownHead, body: bytes, connection: LeanHandler) -> None:
        self.head = head
        self.body = body
        self.protocol = connection

    def __getattr__(self, name: str) -> Any:
        if "_message" in self.__dict__:
            raise AttributeError(name)
        self._read()
        return getattr(self, name)

    def _read(self) -> None:
        """Becomes what aiohttp makes of a request."""
        connection, body = self.protocol, self.body
        messages, *_ = connection.new_parser().feed_data(self.head.write(len(body)))
        content = StreamReader(connection, len(body) + 1, loop=connection._loop)
        content.feed_data(body)
        content.feed_eof()
        writer = StreamWriter(connection, connection._loop)
        task: Any = connection._task_handler
        super().__init__(messages[0][0], content, connection, writer, task, connection._loop)

    @property
    def path(self) -> str:
        """The path, in which there is nothing to undo."""
        return self.head.path

    def client(self) -> Client:
        """Returns where it came from."""
        head = self.head
        headers = head.headers.copy()
        headers["content-length"] = str(len(self.body))
        return Client(self.protocol.remote, headers, "POST", head.path)

    def lighten(self) -> None:
        """Lets go of the body."""
        self.body = b""

    def _cancel(self, exc: BaseException) -> None:
        """Does nothing: its body is there already, whether or not the client is."""
