"""What the client of one exchange gets: the head, the events that open the stream, bytes, and an end held back.

The client may be one connection, nobody at all (a background response, or one whose client has left), and besides it
any number of followers that read the event log of the same response.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .api.responses.encoder import ResponsesEncoder
from .api.responses.ids import new_response_id
from .errors import ExchangeError, InternalError
from .events import Usage
from .exchange import Exchange
from .following import Follower, Nobody, Tee
from .pricing.rates import written
from .stage import Head, ResponseFilter
from .stage_times import SERVER_TIMING, server_timing
from .translation import Bridge, Encoder, Relay

if TYPE_CHECKING:
    from .pump import ClientStream
    from .request import ModelRequest

_log = logging.getLogger("penstock")
COST = "x-penstock-cost"
"""The header of what an answer has cost, in dollars."""
_MAX_HEADER = 1024


class ClientSide:
    """The client's side of one exchange. `on_bug` is told when opening the stream ahead of time has failed.

    The encoder outlives attempts, so that the response keeps its id; `bridge` is that of the last attempt.
    What is in `on_first_event` is called when the client gets the first part of the answer, `on_other_stream` when
    another stream takes the place of the client's. Once it is `finished`,
    nothing more is written.
    """

    __slots__ = (
        "_begun",
        "_early",
        "_exchange",
        "_head_lock",
        "_headed",
        "_make_encoder",
        "_on_bug",
        "_opening",
        "_shown",
        "_timers",
        "bridge",
        "encoder",
        "filters",
        "finished",
        "on_first_event",
        "on_other_stream",
        "stream",
    )

    def __init__(
        self,
        exchange: Exchange,
        stream: ClientStream,
        make_encoder: Callable[[Exchange, ModelRequest | None], Encoder],
        on_bug: Callable[[ExchangeError], None],
    ) -> None:
        self._exchange = exchange
        self._make_encoder = make_encoder
        self._on_bug = on_bug
        self._shown: ModelRequest | None = None  # what an answer that was promised tells of
        self._begun = False
        self._opening: bytes | None = None  # what opens the stream, as long as it is made and not sent
        self._headed = False
        self._head_lock: asyncio.Lock | None = None  # while filters see the head
        self._early: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self.finished = False
        self.on_first_event: list[Callable[[], object]] = []
        self.on_other_stream: Callable[[], None] | None = None
        self.stream = stream
        self.encoder: Encoder | None = None
        self.bridge: Bridge | None = None
        self.filters: list[ResponseFilter] = []  # those that see the head

    def get_encoder(self) -> Encoder:
        """Returns the exchange's encoder, made at the first call."""
        if self.encoder is None:
            self.encoder = self._make_encoder(self._exchange, self._shown)
        return self.encoder

    def promise(self) -> ModelRequest:
        """Gives the response its id, for an answer that comes whole: it may need no encoder. Tells of the request as
        it is at the first call, which it returns.
        """
        exchange = self._exchange
        if self._shown is None:
            self._shown = exchange.request
            exchange.response_id = exchange.response_id or new_response_id()
        return self._shown

    # --- the head

    async def head(self) -> None:
        """Lets the filters see status and headers of the answer, once an exchange; returns when all have."""
        if self._head_lock is None and (self._headed or not any(map(_looks_at_head, self.filters))):
            self._headed = True
            return
        if self._head_lock is None:
            self._head_lock = asyncio.Lock()
        async with self._head_lock:
            if self._headed:
                return
            self._headed = True
            head = Head(200, self._exchange.response_headers)
            for one in reversed(self.filters):
                await one.on_head(self._exchange, head)
        self._head_lock = None

    def headers(self) -> dict[str, str]:
        """Returns the headers of the answer as they are now."""
        return answer_headers(self._exchange)

    def open(self) -> None:
        """Sends the head and the events that open the stream; another attempt may still be made."""
        if self.stream.opened:
            self.begin()
        else:
            begun, self._begun = self._begun, True
            self._open_with(b"" if begun else self._opening_events())

    def begin(self) -> None:
        """Sends the events that open the stream, once."""
        if not self._begun:
            self._begun = True
            self.stream.write(self._opening_events())

    def make_ready(self) -> None:
        """Makes the events that open the stream, which go out with those that follow in the same turn, in one write.

        If none do, whoever has called it must `open`.
        """
        if not self._begun and self._opening is None:
            self._opening = self._opening_events()

    def _opening_events(self) -> bytes:
        """Returns what opens the stream, as far as it is not a matter of those who pass its events on."""
        opening, self._opening = self._opening, None
        if opening is not None:
            return opening
        return b"" if isinstance(self.bridge, Relay) else self.get_encoder().begin()

    def _open_with(self, events: bytes) -> None:
        self.stream.open(self.headers(), events)
        self._exchange.head_status = 200
        self._stop_timers()

    def let_go(self) -> None:
        """Forgets what leads back here: the exchange is over, and what it has held is not to wait for the collector."""
        self._on_bug = _tell_nobody
        self.bridge = None

    def open_at(self, delay_s: float) -> None:
        """Opens the stream after a while, so that a failure before that can still be an HTTP status."""
        self._at(delay_s, self._open_waiting)

    def open_early_at(self, delay_s: float) -> None:
        """Opens the stream after a while even when no upstream has answered by then.

        Else some hop in between might take the silence for death.
        """
        self._at(delay_s, self._open_early)

    def _open_early(self) -> None:
        if not self.stream.opened:
            self._early = asyncio.get_running_loop().create_task(self._head_and_open())

    async def _head_and_open(self) -> None:
        try:
            await self.head()
        except Exception as error:  # the top of a task
            _log.error("exchange %s failed", self._exchange.id, exc_info=error)
            self._on_bug(InternalError("Penstock failed on this request; its log says why."))
        else:
            self._open_waiting()

    def _open_waiting(self) -> None:
        """Opens the stream of an exchange that still waits for its answer."""
        if self._exchange.outcome is None:
            self.open()

    def _at(self, delay_s: float, call: Callable[[], None]) -> None:
        if not self.stream.opened:
            self._timers.append(asyncio.get_running_loop().call_later(delay_s, call))

    def _stop_timers(self) -> None:
        """Stops what would open the stream: each holds half a kilobyte as long as it runs."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    # --- bytes and the end

    def write(self, out: bytes) -> None:
        """Sends bytes to the client. Hot: once a read."""
        exchange = self._exchange
        if exchange.timing.first_event is None:
            if exchange.committed:
                self._first_event()
        elif (pulse := exchange.pulse) is not None:
            pulse.beat(time.monotonic())
        if self._begun:
            self.stream.write(out)
        else:
            self._begun = True
            out = self._opening_events() + out
            if self.stream.opened:
                self.stream.write(out)
            else:
                self._open_with(out)

    def _first_event(self) -> None:
        exchange = self._exchange
        now = exchange.timing.first_event = time.monotonic()
        if exchange.pulse is not None:
            exchange.pulse.begin(now)
        calls, self.on_first_event = self.on_first_event, []
        for call in calls:
            call()

    def queue(self) -> ResponsesEncoder:
        """Begins a response that waits for its turn; who wants its events follows its log."""
        encoder = self._responses_encoder()
        encoder.queue()
        return encoder

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Lets one more reader see every write; returns what ends that."""
        tee = self.stream
        if not isinstance(tee, Tee):
            tee = Tee(tee)
            self._take_other(tee)
        followers = tee.followers
        followers.add(follower)
        return lambda: followers.discard(follower)

    def detach(self) -> None:
        """Goes on without the client; those who follow the log stay."""
        if isinstance(self.stream, Tee):
            self.stream.client = Nobody()
        else:
            self._take_other(Nobody())

    def _take_other(self, stream: ClientStream) -> None:
        self.stream = stream
        if self.on_other_stream is not None:
            self.on_other_stream()

    def open_response(self) -> bool:
        """Tells whether a response that is to be kept was begun and has not ended."""
        if not self._exchange.keeps or (self.encoder is None and self._shown is None):
            return False
        encoder = self.get_encoder()
        return isinstance(encoder, ResponsesEncoder) and not encoder.done

    def cancel(self) -> None:
        """Ends a response as cancelled."""
        encoder = self._responses_encoder()
        if self._exchange.request.stream and not self.stream.opened:
            self.open()
        out = encoder.cancel(self._exchange.usage)
        if self.stream.opened:
            self.begin()
            self.stream.write(out)

    def _responses_encoder(self) -> ResponsesEncoder:
        encoder = self.get_encoder()
        assert isinstance(encoder, ResponsesEncoder)
        return encoder

    def fail(self, error: ExchangeError) -> None:
        """Ends an opened stream with an error."""
        if self.bridge is not None and self._exchange.committed:
            self.stream.write(self.bridge.fail(error))
        else:
            self._begun = True  # the encoder opens it itself
            self.stream.write(self.get_encoder().fail(error))

    def tell_end(self) -> None:
        """Sends the end that was held back, once."""
        if self.encoder is not None and self.stream.opened:
            self.stream.write(self.encoder.end())

    def take_outcome(self) -> None:
        """Takes over how the answer has ended."""
        exchange = self._exchange
        source = self.bridge.machine if isinstance(self.bridge, Relay) else self.get_encoder()
        exchange.outcome, exchange.usage, exchange.error = source.outcome, source.usage, source.error
        exchange.service_tier = source.service_tier

    def estimated_usage(self) -> Usage | None:
        """Returns what was used, or a guess where the upstream did not get to say it: four characters a token."""
        source = self.bridge.machine if isinstance(self.bridge, Relay) else self.encoder
        if (source is None and self._shown is None) or self._exchange.upstream_request is None:
            return None
        if source is not None and source.usage is not None:
            return source.usage
        asked = self._exchange.upstream_request.size // 4
        said = 0 if source is None else -(-source.output_chars() // 4)
        return Usage(input_tokens=asked, output_tokens=said, total_tokens=asked + said, estimated=True)

    def finish(self) -> None:
        """Says that nothing follows."""
        self.finished = True
        self.stream.finish()
        if self._timers:
            self._stop_timers()
        if self._early is not None:
            self._early.cancel()


def _looks_at_head(one: ResponseFilter) -> bool:
    return type(one).on_head is not ResponseFilter.on_head


def answer_headers(exchange: Exchange) -> dict[str, str]:
    """Returns the headers of the answer to an exchange as they are now."""
    headers = {"x-request-id": exchange.id, **exchange.response_headers}
    deployment = exchange.deployment
    if deployment is not None:
        model = deployment.model
        headers["x-penstock-upstream"] = deployment.provider.name
        headers["x-penstock-upstream-model"] = model if len(model) <= _MAX_HEADER else model[:_MAX_HEADER]
    if exchange.cost is not None:
        headers[COST] = written(exchange.cost)
    if exchange.shows_times:
        headers[SERVER_TIMING] = server_timing(exchange)
    if exchange.ignored:
        headers["x-penstock-ignored-params"] = _joined(exchange.ignored)
    if len(exchange.attempts) > 1:
        headers["x-penstock-attempts"] = str(len(exchange.attempts))
    return headers


def _joined(names: Sequence[str]) -> str:
    """Returns names as a list that fits in a header; what does not fit is an ellipsis."""
    text = ", ".join(names)
    return text if len(text) <= _MAX_HEADER else text[:_MAX_HEADER].rpartition(", ")[0] + ", ..."


def _tell_nobody(error: ExchangeError) -> None:
    """Takes a bug that nobody waits for any more; it is in the log."""
