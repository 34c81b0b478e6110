"""Readers of a response that is being made: each follows its event log from where it likes, at its own pace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .api.responses.event_log import EventLog
    from .pump import ClientStream

_AT_ONCE = 256
_BYTES_AT_ONCE = 256 * 1024
"""How many events are rendered for one write, and how many bytes of them: a reader that stalls then holds no more."""


class Follower:
    """Writes the events of a log to a client, and those to come in the turn in which they enter the log.

    A client that does not read stops nobody: what it has not got stays in the log, and is sent when it reads again.
    """

    def __init__(self, log: EventLog, client: ClientStream, position: int) -> None:
        self._log = log
        self._client = client
        self._position = position
        self._over = False
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Follows the log to its end. The client must be open. However it ends, the client is left in peace."""
        self._client.on_flow(_nothing, self.wake)
        try:
            self.wake()
            await self._done
        finally:
            self._client.on_flow(None, None)
            self._client.finish()

    def wake(self) -> None:
        """Sends what is new, as far as the client reads. What goes wrong ends this reader, and nobody else."""
        try:
            self._send()
        except Exception as error:  # called by whoever makes the response
            if not self._done.done():
                self._done.set_exception(error)

    def _send(self) -> None:
        while not self._done.done() and not self._client.paused:
            out, position = self._log.render(self._position, _AT_ONCE, _BYTES_AT_ONCE)
            if position == self._position:
                break
            self._position = position
            self._client.write(out)
        caught_up = self._position >= len(self._log.entries)
        if caught_up and (self._over or self._log.ended) and not self._done.done():
            self._done.set_result(None)

    def stop(self) -> None:
        """Says that nothing more enters the log, whether it has ended or not."""
        self._over = True
        self.wake()


class Tee:
    """A client's stream that also wakes those who follow the log. Implements ClientStream."""

    send: Callable[[bytes], None] | None = None

    def __init__(self, client: ClientStream) -> None:
        self.client = client
        self.followers: set[Follower] = set()

    @property
    def opened(self) -> bool:
        """Whether the client's head was sent."""
        return self.client.opened

    @property
    def paused(self) -> bool:
        """Whether the client does not read."""
        return self.client.paused

    def open(self, headers: dict[str, str], events: bytes = b"") -> None:
        """Opens the client's stream."""
        self.client.open(headers, events)
        for follower in tuple(self.followers):
            follower.wake()

    def write(self, data: bytes) -> None:
        """Sends data to the client; whoever follows the log finds it there."""
        self.client.write(data)
        for follower in tuple(self.followers):
            follower.wake()

    def finish(self) -> None:
        """Says that the last event was written, to all."""
        self.client.finish()
        for follower in tuple(self.followers):
            follower.stop()

    def on_flow(self, pause: Callable[[], None] | None, resume: Callable[[], None] | None) -> None:
        """Says what to call when the client stops and starts reading."""
        self.client.on_flow(pause, resume)


class Nobody:
    """The client of a response that nobody waits for: open from the start, never paused. Implements ClientStream."""

    opened = True
    paused = False

    send: Callable[[bytes], None] | None = None

    def open(self, headers: dict[str, str], events: bytes = b"") -> None:
        """Does nothing: there is nobody to be told."""

    def write(self, data: bytes) -> None:
        """Drops data: what is to be read later is in the log."""

    def finish(self) -> None:
        """Does nothing."""

    def on_flow(self, pause: Callable[[], None] | None, resume: Callable[[], None] | None) -> None:
        """Does nothing: nobody who does not read stops to do so."""


def _nothing() -> None:
    """Is called when a follower's client stops reading: it finds out itself."""
