"""The way of a delta through the proxy, in process: from the upstream's connection to the client's, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from aiohttp import web

from proxy.client_side import ClientSide
from proxy.exchange import Client, Exchange
from proxy.metrics.pulse import Pulse
from proxy.providers.chat.decoder import ChatDecoder
from proxy.pump import Pump
from proxy.server.keepalive import KeepAlive
from proxy.server.stream import EventStream
from proxy.shortcut import Shortcut
from proxy.stage import ResponseFilter
from proxy.translation import Encoder, Translation
from proxy.upstream.client import Timeouts
from proxy.upstream.http1 import Http1Connection

from .answers import chunk
from .measure import Run

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class _Transport:
    """A transport that leads nowhere."""

    def write(self, data: bytes) -> None:
        """Drops what is written."""

    def get_write_buffer_size(self) -> int:
        """Says that everything is gone."""
        return 0

    def abort(self) -> None:
        """Has nothing to close."""


class _Owner:
    """Whom the connection would go back to."""

    def give_back(self, connection: Http1Connection) -> None:
        """Does not keep it."""

    def lost(self, connection: Http1Connection) -> None:
        """Does not miss it."""


class _Client:
    """The request and the connection of a client that is not there."""

    version = (1, 1)
    keep_alive = True
    writing_paused = False

    def __init__(self) -> None:
        self.transport = _Transport()
        self.protocol = self
        self.on_pause = self.on_resume = None


class Way:
    """Prepares streams on an event loop of its own; `close` it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._pumps: list[asyncio.Task[None]] = []

    def close(self) -> None:
        """Ends what has not ended, and closes the loop."""
        for pump in self._pumps:
            pump.cancel()
        if self._pumps:
            self._loop.run_until_complete(asyncio.gather(*self._pumps, return_exceptions=True))
        self._loop.close()

    def prepare(self, encoder: Encoder, reads: Sequence[bytes], policy: Sequence[ResponseFilter] = ()) -> Run:
        """Returns what takes one stream's reads from the upstream through to the client.

        With the filters of a `policy` the gaps between its pieces are counted, too.
        """
        connection = self._loop.run_until_complete(self._open(encoder, policy))
        return _taking(connection, reads)

    async def _open(self, encoder: Encoder, policy: Sequence[ResponseFilter]) -> Http1Connection:
        """Returns a connection on which an answer has begun, its sink leading to a client."""
        connection = Http1Connection(self._loop, _Owner(), "upstream:80")
        connection.connection_made(cast(asyncio.Transport, _Transport()))
        asking = self._loop.create_task(connection.send(b"", b"", Timeouts(first_byte=None, idle=None), float("inf")))
        await asyncio.sleep(0)
        connection.data_received(_HEAD)
        response = await asking
        stream = EventStream(cast(web.BaseRequest, _Client()), KeepAlive(0))
        stream.opened = True
        exchange = Exchange("req_bench", Client("127.0.0.1", {}), None)
        if policy:
            exchange.pulse = Pulse()
        side = ClientSide(exchange, stream, lambda *_: encoder, lambda _: None)
        translation = Translation(exchange, ChatDecoder(), policy, encoder, side)
        if out := translation.feed(chunk("@")):
            side.write(out)
        pump = Pump(translation, stream, response, side.write)
        pump.shortcut = Shortcut(exchange, side, translation, pump)
        self._pumps.append(self._loop.create_task(pump.run(first_token_s=None, is_committed=lambda: True)))
        await asyncio.sleep(0)
        return connection


def _taking(connection: Http1Connection, reads: Sequence[bytes]) -> Run:
    def run() -> None:
        for data in reads:
            connection.data_received(data)

    return run
