"""The echo models' connection: an `UpstreamClient` that asks nobody, but behaves as a connection to a server would.

An answer has one timer at most and no task: each firing delivers the ticks that are due, in one piece, and sets the
timer anew. A paused answer has none. Ticks are made when they are delivered, so that a long answer takes no memory.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ...errors import TimeoutPhase, UpstreamCut, UpstreamError, UpstreamGarbled, UpstreamTimeout
from ...upstream.client import OnData, OnEnd, Taker, Timeouts, UpstreamRequest, UpstreamResponse
from .performance import Performance, error_body
from .script import Answer, decide

_PIECE_BYTES = 16 * 1024
"""About as much as one read of a socket gives: what is due beyond it comes with the next turn of the loop."""

_TIMER_SLACK_S = 0.001
"""Timers of event loops count in milliseconds and may fire that much early."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class EchoClient:
    """Answers requests with what the echo models say. `tokens_per_s` is the pace of requests that name none."""

    def __init__(self, tokens_per_s: float = 0.0, clock: Callable[[], float] = time.time) -> None:
        self._tokens_per_s = tokens_per_s
        self._clock = clock
        self.open: set[EchoResponse] = set()
        """The answers that have not ended."""

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> UpstreamResponse:
        """Returns the head of the answer; raises UpstreamTimeout when it would come later than `first_byte` allows."""
        try:
            body = _decode(request.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._respond(Answer(status=400, message="The body is not a JSON object."), None, timeouts)
        answer = decide(body, self._tokens_per_s)
        performance = Performance(answer, body, request.body, int(self._clock()))
        streamed = body.get("stream") is True
        await _head_pause(answer.head_s + (0.0 if streamed or answer.status != 200 else performance.seconds), timeouts)
        return self._respond(answer, performance, timeouts, streamed=streamed)

    async def close(self) -> None:
        """Ends all answers."""
        for response in list(self.open):
            response.abort(UpstreamCut("The echo upstream was closed."))

    def _respond(
        self, answer: Answer, performance: Performance | None, timeouts: Timeouts, *, streamed: bool = False
    ) -> EchoResponse:
        headers = {"content-type": "application/json"}
        if performance is None or answer.status != 200:
            headers, body = error_body(answer)
            ticks: Iterator[bytes] = iter((body,))
            answer = Answer(status=answer.status)
        elif streamed:
            headers = {"content-type": "text/event-stream; charset=utf-8"}
            ticks = performance.ticks()
        else:
            ticks = _in_one_piece(performance)
            answer.tokens_per_s = answer.first_token_s = 0.0
        return EchoResponse(answer, headers, ticks, timeouts, self.open)


class EchoResponse:
    """One answer under way; see `UpstreamResponse` for what the methods promise."""

    __slots__ = (
        "_answer",
        "_due",
        "_ended",
        "_handle",
        "_last",
        "_limit",
        "_loop",
        "_next",
        "_on_data",
        "_on_end",
        "_open",
        "_paused",
        "_reading",
        "_ticks",
        "_timeouts",
        "headers",
        "status",
    )

    def __init__(
        self,
        answer: Answer,
        headers: dict[str, str],
        ticks: Iterator[bytes],
        timeouts: Timeouts,
        open_responses: set[EchoResponse],
    ) -> None:
        self.status = answer.status
        self.headers = headers
        self._answer = answer
        self._ticks = ticks
        self._next = next(ticks, None)
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._due = self._last = self._loop.time()
        self._limit = None if timeouts.total is None else self._last + timeouts.total
        self._handle: asyncio.Handle | None = None
        self._on_data: OnData | None = None
        self._on_end: OnEnd | None = None
        self._reading: asyncio.Future[UpstreamError | None] | None = None
        self._paused = False
        self._ended = False
        self._open = open_responses
        open_responses.add(self)

    def stream(self, on_data: OnData, on_end: OnEnd) -> None:
        """Delivers the body from the next turn of the loop on."""
        self._on_data, self._on_end = on_data, on_end
        self._schedule()

    def offer_to(self, shortcut: Taker) -> None:
        """Does nothing: there is nothing to save."""

    def at_hand(self, max_bytes: int) -> bytes | None:
        """Returns nothing: it is to be read."""
        return None

    async def read(self, max_bytes: int) -> bytes:
        """Returns the whole body; raises UpstreamError when it is cut, late or larger than `max_bytes`."""
        pieces: list[bytes] = []
        size = 0
        self._reading = done = self._loop.create_future()

        def on_data(data: bytes) -> None:
            nonlocal size
            pieces.append(data)
            size += len(data)
            if size > max_bytes:
                self.abort(UpstreamGarbled(f"The upstream's answer is larger than {max_bytes} bytes."))

        def on_end(error: UpstreamError | None) -> None:
            if not done.done():
                done.set_result(error)

        self.stream(on_data, on_end)
        try:
            error = await done
        finally:
            self.close()
        if error is not None:
            raise error
        return b"".join(pieces)

    def pause(self) -> None:
        """Stops delivering."""
        self._paused = True
        self._unschedule()

    def resume(self) -> None:
        """Goes on delivering; what has become due in the meantime comes at once."""
        if self._paused:
            self._paused = False
            self._last = self._loop.time()
            self._schedule()

    def limit_idle(self, seconds: float | None) -> None:
        """Changes the limit between two reads, from now on."""
        self._timeouts = msgspec.structs.replace(self._timeouts, idle=seconds)

    def release(self) -> None:
        """Ends the answer; there is no connection to keep."""
        self.close()

    def close(self) -> None:
        """Ends the answer at once; nothing is delivered any more."""
        self._stop()
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(UpstreamCut("The answer was closed while it was read."))

    def abort(self, error: UpstreamError) -> None:
        """Ends the answer with an error, as a lost connection does."""
        self._stop(error)

    def _stop(self, error: UpstreamError | None = None, *, tell: bool = False) -> None:
        """Ends the answer, and says so where there is something to say."""
        on_end = self._on_end
        self._ended = True
        self._on_data = self._on_end = self._next = None
        self._open.discard(self)
        self._unschedule()
        if on_end is not None and (error is not None or tell):
            on_end(error)

    def _schedule(self) -> None:
        """Sets the timer to the next tick or to the timeout that comes before it."""
        if self._ended or self._paused or self._on_data is None or self._handle is not None:
            return
        due = self._due if self._next is not None or self._answer.accident != "stall" else None
        limit, phase = self._patience()
        if due is None or (limit is not None and limit < due):
            if limit is not None:
                self._handle = self._loop.call_at(limit, self._give_up, phase)
        elif due <= self._loop.time():
            self._handle = self._loop.call_soon(self._deliver)
        else:
            self._handle = self._loop.call_at(due, self._deliver)

    def _patience(self) -> tuple[float | None, TimeoutPhase]:
        """Returns when the answer takes too long, and by which timeout."""
        idle = None if self._timeouts.idle is None else self._last + self._timeouts.idle
        if self._limit is not None and (idle is None or self._limit < idle):
            return self._limit, "total"
        return idle, "idle"

    def _unschedule(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _deliver(self) -> None:
        """Delivers what is due, up to the size of one read. Hot: once a tick."""
        self._handle = None
        on_data = self._on_data
        if on_data is None:
            return
        self._last = self._loop.time()
        now = self._last + _TIMER_SLACK_S
        pace = self._answer.tokens_per_s
        pieces: list[bytes] = []
        size = 0
        tick = self._next
        while tick is not None and self._due <= now and size < _PIECE_BYTES:
            pieces.append(tick)
            size += len(tick)
            if self._answer.first_token_s:
                self._due += self._answer.first_token_s
                self._answer.first_token_s = 0.0
            elif pace:
                self._due += 1.0 / pace
            tick = next(self._ticks, None)
        self._next = tick
        if pieces:
            on_data(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if tick is None and not self._ended and self._answer.accident != "stall":
            self._finish()
        else:
            self._schedule()

    def _finish(self) -> None:
        """Says that the body has ended: as it should, or cut."""
        if self._paused:
            return
        cut = UpstreamCut("The upstream closed the connection in the middle of its answer.")
        self._stop(cut if self._answer.accident == "cut" else None, tell=True)

    def _give_up(self, phase: TimeoutPhase) -> None:
        self._handle = None
        self.abort(UpstreamTimeout(f"The upstream's answer took too long ({phase} timeout).", phase=phase))


def _in_one_piece(performance: Performance) -> Iterator[bytes]:
    """Yields the body of a non-streamed answer, as much as comes of it."""
    body = performance.whole()
    if performance.answer.accident in ("cut", "stall"):
        body = body[: len(body) // 2]
    yield body


async def _head_pause(seconds: float, timeouts: Timeouts) -> None:
    """Waits until the head of the answer is there, or until the time for it is over."""
    limit = timeouts.first_byte
    if limit is not None and seconds > limit:
        await asyncio.sleep(limit)
        raise UpstreamTimeout("The upstream did not begin to answer in time.", phase="first_byte")
    if seconds > 0:
        await asyncio.sleep(seconds)
