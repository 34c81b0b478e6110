"""One answer of an upstream, as its reader sees it: the head, and the body by callback.

A `Carrier` (a connection) brings the body: it calls its `sink` for each read, and `Response.finish` once. While the
body streams uncoded, the sink *is* the reader's `on_data`: nothing stands between a read and its reader.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from ..errors import UpstreamCut, UpstreamError, UpstreamGarbled
from .client import OnData, OnEnd, Taker
from .codings import CodingError, decoder_for
from .decoded import DecodedBody

MAX_PENDING = 64 * 1024
"""Bytes of body that may wait for `stream`; with more, reading is paused."""

DRAIN_BYTES = 64 * 1024
DRAIN_SECONDS = 1.0
"""How much of an unwanted rest of a body, and for how long, a carrier reads to keep its connection."""

_WAITING, _STREAMING, _DONE = range(3)


class Carrier(Protocol):
    """What brings a response's body. All methods are harmless at any time."""

    sink: OnData
    shortcut: Taker | None
    """Who is offered pieces that came whole before the sink gets them; a carrier need not."""

    def pause(self) -> None:
        """Stops reading."""

    def resume(self) -> None:
        """Goes on reading."""

    def limit_idle(self, seconds: float | None) -> None:
        """Changes the limit between two reads, from now on."""

    def let_go(self) -> None:
        """The rest is not wanted: keeps the connection if the body ends soon, else closes it."""

    def abort(self) -> None:
        """Closes the connection now."""


def discard(_data: bytes) -> None:
    """Drops what nobody wants any more."""


class Response:
    """An UpstreamResponse over any carrier. `peer` (`host:port`) is what messages call the upstream.

    Of a body in a content coding, `headers` say what it is once decoded: its content-encoding and -length are left out.
    """

    __slots__ = (
        "_carrier",
        "_coding",
        "_decoded",
        "_error",
        "_full",
        "_on_end",
        "_pending",
        "_pending_bytes",
        "_state",
        "_whole",
        "headers",
        "paused",
        "peer",
        "status",
    )

    def __init__(self, status: int, headers: dict[str, str], carrier: Carrier, peer: str) -> None:
        self.status = status
        self.headers = headers
        self.peer = peer
        self.paused = False
        self._coding = headers.pop("content-encoding", None)
        if self._coding is not None:
            headers.pop("content-length", None)
        self._carrier: Carrier | None = carrier
        self._state = _WAITING
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._full = False
        self._error: UpstreamError | None = None
        self._on_end: OnEnd | None = None
        self._decoded: DecodedBody | None = None
        self._whole: asyncio.Future[None] | None = None
        carrier.sink = self._keep

    def stream(self, on_data: OnData, on_end: OnEnd) -> None:
        """Delivers the body; see `UpstreamResponse.stream`. Does nothing after `close` or `release`.

        An answer in a content coding comes in pieces of at most 64 KiB, possibly several for one read, and its
        `on_end` waits while paused; that of any other answer may come while paused.
        """
        if self._state is _DONE:
            return
        if self._state is _STREAMING:
            raise RuntimeError("a response can be read only once")
        self._state = _STREAMING
        self._on_end = on_end
        try:
            decoder = decoder_for(self._coding)
        except CodingError as error:
            self._refuse(str(error))
            return
        if decoder is not None:
            self._decoded = DecodedBody(decoder, on_data, self)
            on_data = self._decoded.feed
        if self._carrier is not None:
            self._carrier.sink = on_data
        pending, self._pending = self._pending, []
        if pending:
            on_data(b"".join(pending))
        self._full = False
        if self._state is _DONE:
            return
        if self._carrier is None:
            self._ended(self._error)
        elif not self.paused:
            self._carrier.resume()

    def offer_to(self, shortcut: Taker) -> None:
        """Offers pieces to a shortcut first; see `UpstreamResponse.offer_to`."""
        if self._carrier is not None and self._decoded is None and self._state is _STREAMING:
            self._carrier.shortcut = shortcut

    async def read(self, max_bytes: int) -> bytes:
        """Returns the whole body, decoded; see `UpstreamResponse.read`. Closes the connection when it raises."""
        if self._state is _DONE:
            raise UpstreamCut(f"upstream {self.peer}: the answer was closed before it was read")
        if (found := self.at_hand(max_bytes)) is not None:
            return found
        whole = self._whole = asyncio.get_running_loop().create_future()
        pieces: list[bytes] = []
        size = 0

        def on_data(data: bytes) -> None:
            nonlocal size
            size += len(data)
            if size > max_bytes:
                self._refuse(f"its answer is larger than {max_bytes} bytes")
            else:
                pieces.append(data)

        def on_end(error: UpstreamError | None) -> None:
            if whole.done():
                return
            if error is None:
                whole.set_result(None)
            else:
                whole.set_exception(error)

        try:
            self.stream(on_data, on_end)
            await whole
        finally:
            self._whole = None
            self.close()
        return b"".join(pieces)

    def at_hand(self, max_bytes: int) -> bytes | None:
        """Returns the body where it is there whole and needs nothing done to it; see `UpstreamResponse.at_hand`."""
        if (
            self._carrier is not None
            or self._state is not _WAITING
            or self._error is not None
            or self._coding is not None
            or self._pending_bytes > max_bytes
        ):
            return None
        self._state = _DONE
        pending, self._pending = self._pending, []
        return pending[0] if len(pending) == 1 else b"".join(pending)

    def pause(self) -> None:
        """Stops reading from the upstream; see `UpstreamResponse.pause`."""
        if not self.paused:
            self.paused = True
            if self._carrier is not None:
                self._carrier.pause()

    def resume(self) -> None:
        """Goes on reading."""
        if not self.paused:
            return
        self.paused = False
        if self._decoded is not None:
            self._decoded.run()
        if self._carrier is not None and not self.paused and not self._full:
            self._carrier.resume()

    def limit_idle(self, seconds: float | None) -> None:
        """Changes the limit between two reads, from now on."""
        if self._carrier is not None:
            self._carrier.limit_idle(seconds)

    def release(self) -> None:
        """Says that no more is wanted; see `UpstreamResponse.release`."""
        carrier = self._drop()
        if carrier is not None:
            carrier.let_go()

    def close(self) -> None:
        """Closes the connection now."""
        carrier = self._drop()
        if carrier is not None:
            carrier.abort()

    def finish(self, error: UpstreamError | None) -> None:
        """Carrier's call: the body has ended, as it should or by an error; no more comes from the carrier."""
        self._carrier = None
        if self._state is _STREAMING:
            self._ended(error)
        elif self._state is _WAITING:
            self._error = error

    def garbled(self, why: str) -> None:
        """DecodedBody's call: what came cannot be decoded."""
        self._refuse(why)

    def end(self, error: UpstreamError | None) -> None:
        """DecodedBody's call: all that came has been delivered."""
        on_end = self._on_end
        self._whole = None
        self._drop()
        if on_end is not None:
            on_end(error)

    def _ended(self, error: UpstreamError | None) -> None:
        if self._decoded is not None:
            self._decoded.end(error)
        else:
            self.end(error)

    def _refuse(self, why: str) -> None:
        on_end = self._on_end
        self._whole = None
        self.close()
        if on_end is not None:
            on_end(UpstreamGarbled(f"upstream {self.peer}: {why}"))

    def _drop(self) -> Carrier | None:
        """Ends all delivery; returns the carrier if the body has not ended yet."""
        carrier, self._carrier = self._carrier, None
        self._state = _DONE
        self._on_end = None
        self._pending = []
        if self._decoded is not None:
            self._decoded.stop()
            self._decoded = None
        if carrier is not None:
            carrier.sink, carrier.shortcut = discard, None
        if self._whole is not None and not self._whole.done():
            self._whole.set_exception(UpstreamCut(f"upstream {self.peer}: the answer was closed while it was read"))
        return carrier

    def _keep(self, data: bytes) -> None:
        """The sink until `stream` is called."""
        self._pending.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes > MAX_PENDING and not self._full and self._carrier is not None:
            self._full = True
            self._carrier.pause()
