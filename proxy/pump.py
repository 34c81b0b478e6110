"""Moves one attempt's answer from the upstream to the client: each read leads to at most one write, in the same turn.

There is no queue and no task between the two. A client that does not read pauses the upstream; nothing else waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from .errors import ExchangeError, InternalError, UpstreamTimeout
from .events import Event
from .translation import AsyncTranslation, Bridge
from .upstream.client import Taker, UpstreamResponse

_log = logging.getLogger("penstock")


class ClientStream(Protocol):
    """The client's side of a streamed answer."""

    @property
    def opened(self) -> bool:
        """True once the head was sent: from then on failures go into the stream."""

    @property
    def paused(self) -> bool:
        """True while the client does not read what was written."""

    def open(self, headers: dict[str, str], events: bytes = b"") -> None:
        """Sends status 200 and the headers, and with them the first events."""

    def write(self, data: bytes) -> None:
        """Sends whole events, at once. Hot: once a read."""

    @property
    def send(self) -> Callable[[bytes], None] | None:
        """Sends whole events that are framed as a chunk of HTTP's already; None where those are not what it sends."""

    def finish(self) -> None:
        """Says that the last event was written: nothing follows it, no comment either."""

    def on_flow(self, pause: Callable[[], None] | None, resume: Callable[[], None] | None) -> None:
        """Says what to call when the client stops and starts reading; None for nothing."""


class Pump:
    """Runs one attempt's answer: `run` returns when the client has all of it, and raises what ended it otherwise.

    `write` takes the client's bytes; it opens the client's stream where that is still to do. `shortcut`, if set, is
    offered pieces of the answer first.
    """

    __slots__ = ("_bridge", "_client", "_done", "_response", "_write", "shortcut")

    def __init__(
        self, bridge: Bridge, client: ClientStream, response: UpstreamResponse, write: Callable[[bytes], None]
    ) -> None:
        self._bridge = bridge
        self._client = client
        self._response = response
        self._write = write
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.shortcut: Taker | None = None

    async def run(
        self,
        *,
        first_token_s: float | None,
        is_committed: Callable[[], bool],
        on_wait: Callable[[], None] | None = None,
    ) -> None:
        """Lets the answer through. Whatever ends it early, a cancelled task too, closes the upstream's connection.

        `on_wait` is called when what had come with the head is through, and the rest is to be waited for.
        """
        timer: asyncio.TimerHandle | None = None
        if first_token_s is not None:
            timer = asyncio.get_running_loop().call_later(first_token_s, self._late, first_token_s, is_committed)
        self._client.on_flow(self._response.pause, self._response.resume)
        self._bridge.nudge_by(self.nudge)
        try:
            if self._client.paused:
                self._response.pause()
            self._response.stream(self._on_data, self._on_end)
            if self.shortcut is not None:
                self._response.offer_to(self.shortcut)
            if on_wait is not None and not self._done.done():
                on_wait()
            await self._done
            self._response.release()
        except BaseException:
            self._response.close()
            raise
        finally:
            self._client.on_flow(None, None)
            self._bridge.nudge_by(None)
            self.shortcut = None  # it leads back here
            if timer is not None:
                timer.cancel()
            self._stop()

    def _stop(self) -> None:
        """Ends what else runs for the answer, once it is over."""

    def abort(self, error: ExchangeError) -> None:
        """Ends the answer with an error of ours."""
        if not self._done.done():
            self._response.close()
            self._done.set_exception(error)

    def nudge(self) -> None:
        """Gives filters that want a turn theirs."""
        if self._done.done():
            return
        try:
            out = self._bridge.turn()
        except Exception as error:  # as for a read
            self.broke(error)
            return
        if out:
            self._write(out)
        if self._bridge.done:
            self.complete()

    def detach(self, client: ClientStream) -> None:
        """Goes on with another client; the one that has left may have paused the upstream."""
        self._client.on_flow(None, None)
        self._client = client
        if not self._done.done():
            self._response.resume()

    def _on_data(self, data: bytes) -> None:
        """Takes one read. Hot: once a read."""
        if self._done.done():
            return
        try:
            out = self._bridge.feed(data)
        except Exception as error:  # a bug here must end the answer, not the connection's protocol
            self.broke(error)
            return
        if out:
            self._write(out)
        if self._bridge.done:
            self.complete()

    def _on_end(self, error: ExchangeError | None) -> None:
        if self._done.done():
            return
        try:
            out = self._bridge.finish(error)
        except Exception as raised:  # as above
            self.broke(raised)
            return
        if out:
            self._write(out)
        self._check_end()

    def _check_end(self) -> None:
        """Completes an answer whose upstream has ended; one without an end of its own has lost it on the way."""
        if self._bridge.done:
            self.complete()
        else:
            self.broke(InternalError("A stage of the pipeline has withheld the end of the answer."))

    def broke(self, error: Exception) -> None:
        """Ends the answer because it could not be translated."""
        if not isinstance(error, ExchangeError):
            _log.error("the answer could not be translated", exc_info=error)
            error = InternalError("The answer could not be translated; the log says why.")
        self.abort(error)

    def complete(self) -> None:
        """Says that the client has all of the answer."""
        if not self._done.done():
            self._done.set_result(None)

    def _late(self, limit_s: float, is_committed: Callable[[], bool]) -> None:
        if not is_committed():
            self.abort(UpstreamTimeout(f"The upstream sent no token within {limit_s:g} s.", phase="first_token"))


class AsyncPump(Pump):
    """A pump for answers that a filter must await: reads wait their turn, and the upstream waits for them."""

    __slots__ = ("_bridge_async", "_ended", "_nudged", "_task", "_waiting")

    def __init__(
        self,
        bridge: AsyncTranslation,
        client: ClientStream,
        response: UpstreamResponse,
        write: Callable[[bytes], None],
    ) -> None:
        super().__init__(bridge, client, response, write)
        self._bridge_async = bridge
        self._waiting: list[list[Event]] = []
        self._ended = False
        self._nudged = False
        self._task: asyncio.Task[None] | None = None

    def _stop(self) -> None:
        """A filter that is being awaited is cancelled."""
        if self._task is not None:
            self._task.cancel()

    def abort(self, error: ExchangeError) -> None:
        """As `Pump.abort`; what a filter still makes of earlier events is not told any more."""
        if not self._done.done() and self._task is not None:
            self._task.cancel()
        super().abort(error)

    def _on_data(self, data: bytes) -> None:
        try:
            self._enqueue(self._bridge_async.decode(data))
        except Exception as error:  # as in Pump
            self.broke(error)

    def _on_end(self, error: ExchangeError | None) -> None:
        self._ended = True
        try:
            self._enqueue(self._bridge_async.last_events(error))
        except Exception as raised:  # as in Pump
            self.broke(raised)

    def nudge(self) -> None:
        """As `Pump.nudge`; a turn comes after what has been read."""
        self._nudged = True
        if not self._done.done():
            self._begin()

    def _enqueue(self, events: list[Event]) -> None:
        self._waiting.append(events)
        self._response.pause()
        self._begin()

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            while (self._waiting or self._nudged) and not self._done.done():
                batches, self._waiting = self._waiting, []
                if batches:
                    out = await self._bridge_async.pass_async([event for batch in batches for event in batch])
                else:
                    self._nudged = False
                    out = await self._bridge_async.turn_async()
                if out:
                    self._write(out)
                if self._bridge.done:
                    self.complete()
        except Exception as error:  # as in Pump
            self.broke(error)
        if self._ended:
            if not self._bridge_async.ends_later:
                self._check_end()
        elif not self._client.paused:
            self._response.resume()
