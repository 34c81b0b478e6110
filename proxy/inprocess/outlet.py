"""The client of an exchange in this process: events are handed over as JSON, as many as the reader keeps up with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

Delivery = tuple[int, list[bytes]] | None
"""How many bytes of the stream, and the JSON of the events in them; None is the end."""

MOST = 256 * 1024
"""How many bytes may wait for the reader before the upstream is paused."""
_FEW = 64 * 1024


class Outlet:
    """Where one stream goes. Implements ClientStream; `deliver` is called in the loop that serves the exchange.

    `payloads` finds the JSON of the events in the bytes of a stream. The reader may be in another thread. It tells with
    `take` what it has got: that is the flow control. Each of the two counts is written by one side alone, and each side
    looks at the other's after it has changed its own, so that of two that change at the same moment at least one sees
    both.
    """

    send: Callable[[bytes], None] | None = None

    def __init__(self, deliver: Callable[[Delivery], None], payloads: Callable[[bytes], list[bytes]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._deliver = deliver
        self._payloads = payloads
        self._given = 0
        self._taken = 0
        self._pause: Callable[[], None] | None = None
        self._resume: Callable[[], None] | None = None
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self.opened = False
        self.paused = False
        self.headers: dict[str, str] = {}

    def open(self, headers: dict[str, str], events: bytes = b"") -> None:
        """Takes the headers: the stream has begun."""
        self.opened = True
        self.headers = headers
        self._be_ready()
        if events:
            self.write(events)

    def write(self, data: bytes) -> None:
        """Hands over whole events. Hot: once a read."""
        found = self._payloads(data)
        if found:
            self.hand_over(found, len(data))

    def hand_over(self, found: list[bytes], size: int) -> None:
        """Hands over the JSON of events; `size` is what they count for, in bytes."""
        self._given += size
        self._deliver((size, found))
        if self.paused or self._given - self._taken <= MOST:
            return
        self.paused = True
        if self._given - self._taken <= _FEW:  # taken meanwhile, by a reader that did not see the line above
            self.paused = False
        elif self._pause is not None:
            self._pause()

    def finish(self) -> None:
        """Does nothing: the end is told when the exchange has been settled."""

    def on_flow(self, pause: Callable[[], None] | None, resume: Callable[[], None] | None) -> None:
        """Says what to call when the reader stops and starts reading."""
        self._pause = pause
        self._resume = resume

    def take(self, size: int) -> None:
        """Tells that the reader has got so many bytes more. May be called in any thread."""
        self._taken += size
        if self.paused and self._given - self._taken <= _FEW:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing is left to resume
                self._loop.call_soon_threadsafe(self._flow)

    def _flow(self) -> None:
        if self.paused and self._given - self._taken <= _FEW:
            self.paused = False
            if self._resume is not None:
                self._resume()

    def end(self) -> None:
        """Tells the reader that nothing follows."""
        self._deliver(None)
        self._be_ready()

    def _be_ready(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    async def ready(self) -> None:
        """Returns when the stream has begun, or ended without having begun."""
        await asyncio.shield(self._ready)


def to_nobody(delivery: Delivery) -> None:
    """Drops what is delivered: for exchanges that are not streamed."""
