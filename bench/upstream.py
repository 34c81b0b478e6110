"""A chat-completions server that costs little: answers made of prepared bytes, sent at their times. Its own process.

`python -m bench.upstream [HOST PORT]` listens there, or on a free port of 127.0.0.1, prints `port N`, and ends when its
input is closed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import httptools
import msgspec
import uvloop

from .answers import BLOCK, Order, closing, frame, opening, read_order, whole, word_frame
from .ends import until_told

_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_JSON = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
_MODELS = b'{"object":"list","data":[{"id":"bench","object":"model","created":1767225600,"owned_by":"bench"}]}'


class Upstream(asyncio.Protocol):
    """One connection; answers one request after the other. `GET .../open` says how many `streams` are under way."""

    streams = 0

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body: list[bytes] = []
        self._order: Order | None = None
        self._next = 0
        self._began = 0.0
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Transport's call."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Transport's call: stops the answer."""
        self._transport = None
        if self._order is not None:
            self._order = None
            Upstream.streams -= 1
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Transport's call."""
        self._parser.feed_data(data)

    def pause_writing(self) -> None:
        """Transport's call: the proxy does not keep up."""
        self._full = True

    def resume_writing(self) -> None:
        """Transport's call."""
        self._full = False
        if self._order is not None and not self._order.interval_ms:
            self._pour()

    def on_url(self, url: bytes) -> None:
        """Parser's call."""
        self._url = url
        self._body = []

    def on_body(self, data: bytes) -> None:
        """Parser's call."""
        self._body.append(data)

    def on_message_complete(self) -> None:
        """Parser's call: begins the answer."""
        if self._url.endswith(b"/open"):
            self._json(b"200 OK", b"%d" % Upstream.streams)
            return
        if self._url.endswith(b"/models"):
            self._json(b"200 OK", _MODELS)
            return
        try:
            order = read_order(b"".join(self._body))
        except (ValueError, msgspec.DecodeError) as error:
            self._json(b"400 Bad Request", msgspec.json.encode({"error": {"message": str(error), "type": "bench"}}))
            return
        if order.stream:
            self._begin(order)
        else:
            self._json(b"200 OK", whole(order))

    def _json(self, status: bytes, body: bytes) -> None:
        assert self._transport is not None
        self._transport.write(_JSON % (status, len(body), body))

    def _begin(self, order: Order) -> None:
        assert self._transport is not None
        self._order = order
        Upstream.streams += 1
        self._began = time.monotonic()
        self._transport.write(_STREAM + frame(opening(order, int(self._began * 1e9))))
        self._next = 1
        if order.interval_ms:
            self._step()
        else:
            self._pour()

    def _step(self) -> None:
        """Sends the pieces whose time has come, each by a write of its own. Times are those intended, not the last."""
        order, transport = self._order, self._transport
        if order is None or transport is None:
            return
        interval = order.interval_ms / 1000
        passed = time.monotonic() - self._began
        while self._next < order.pieces and self._next * interval <= passed + 0.0005:
            transport.write(word_frame(order.number, self._next, tool=order.tool))
            self._next += 1
        if self._next < order.pieces:
            self._timer = self._loop.call_later(self._next * interval - passed, self._step)
        else:
            self._end(order)

    def _pour(self) -> None:
        """Sends pieces in blocks until the transport is full; small ones one in a turn of the loop, each by a write."""
        order = self._order
        while order is not None and self._transport is not None and not self._full:
            until = min(self._next + order.block, order.pieces)
            words = [word_frame(order.number, index, tool=order.tool) for index in range(self._next, until)]
            self._transport.write(b"".join(words))
            self._next = until
            if until == order.pieces:
                self._end(order)
                return
            if order.block < BLOCK:
                self._loop.call_soon(self._pour)
                return

    def _end(self, order: Order) -> None:
        assert self._transport is not None
        self._order = None
        Upstream.streams -= 1
        self._transport.write(frame(closing(order)) + b"0\r\n\r\n")


async def serve(host: str = "127.0.0.1", port: int = 0) -> None:
    """Serves until the input is closed."""
    server = await asyncio.get_running_loop().create_server(Upstream, host, port, backlog=4096)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await until_told()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2])) if len(sys.argv) > 2 else serve())
