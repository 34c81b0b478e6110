"""One client connection of the load generator: sends a request, keeps what comes and when it came."""

from __future__ import annotations

import asyncio
import time
from typing import cast

import httptools
import msgspec


class Received(msgspec.Struct):
    """One answer: status, body, and for each read its moment (ns, monotonic clock) and the body bytes by then."""

    status: int
    body: bytes
    reads: list[tuple[int, int]]


class Left(Exception):
    """The client has left within the answer, as it was asked to."""


class ClientConnection(asyncio.Protocol):
    """A connection that asks one request at a time. Nothing of an answer is looked at before it is whole."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Received] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._reads: list[tuple[int, int]] = []
        self._leave_at = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Transport's call."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Transport's call."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"the connection was closed within an answer ({exc})"))

    def data_received(self, data: bytes) -> None:
        """Transport's call. Hot: once a read."""
        now = time.monotonic_ns()
        parser = self._parser
        if parser is None:
            self.close()
            return
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self._answer is not None and not self._answer.done():
                self._answer.set_exception(ConnectionError(f"the answer is no HTTP: {error}"))
            self.close()
            return
        self._reads.append((now, self._size))
        if self._leave_at and self._size >= self._leave_at and self._answer is not None and not self._answer.done():
            self._answer.set_exception(Left())
            self.close()
            return
        if self._answer is not None and self._answer.done():
            self._parser = None

    def on_body(self, data: bytes) -> None:
        """Parser's call."""
        self._body.append(data)
        self._size += len(data)

    def on_message_complete(self) -> None:
        """Parser's call: the answer is whole (its last read is noted right behind this)."""
        if self._answer is not None and self._parser is not None and not self._answer.done():
            self._answer.set_result(Received(self._parser.get_status_code(), b"".join(self._body), self._reads))

    async def ask(self, request: bytes, *, leave_at: int = 0) -> Received:
        """Sends one request's bytes; returns the answer. Raises ConnectionError when there is none, or half of one.

        With `leave_at` the connection is closed as soon as so many bytes of the body are there; then Left is raised.
        """
        if self._transport is None:
            raise ConnectionError("the connection was closed between two answers")
        self._parser = httptools.HttpResponseParser(self)
        self._answer = asyncio.get_running_loop().create_future()
        self._leave_at = leave_at
        self._body, self._reads, self._size = [], [], 0
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Closes the connection."""
        if self._transport is not None:
            self._transport.abort()


async def connect(port: int, host: str = "127.0.0.1", *, tls: bool = False) -> ClientConnection:
    """Opens a connection; with `tls` an encrypted one, of which the certificate is checked."""
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(ClientConnection, host, port, ssl=tls or None)
    return protocol
