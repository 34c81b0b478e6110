"""A second attempt beside the first: asked when that has shown nothing for a while, and read up to its first event.

Only one attempt at a time speaks to the client. The one beside it works on a copy of the exchange, and what comes of it
is kept as bytes; once it is the first of the two to show something, the other one is ended in the same turn of the
event loop, and its bytes become the answer like those of any attempt.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from .attempt import Answering
from .errors import ExchangeError, InternalError, UpstreamCut, UpstreamError, UpstreamGarbled, UpstreamTimeout
from .events import OUTPUT_EVENTS, Event, Finish, UpstreamFailed, Usage
from .exchange import Attempt, Exchange
from .reply import Reply
from .request import ModelRequest
from .stage import ResponseFilter
from .stage_times import asked
from .upstream.client import OnData, OnEnd, Taker, UpstreamResponse

if TYPE_CHECKING:
    from .client_side import ClientSide
    from .pipeline import Pipeline
    from .providers.provider import Decoder, Deployment, Parser

_log = logging.getLogger("penstock")
SLOWER = "slower"
"""The error in the record of an attempt that another one beside it was faster than."""

_SHOWN = (Finish, *OUTPUT_EVENTS)


class HeldResponse:
    """An answer that has begun to come while somebody else was still asked; it is read on when it is wanted."""

    def __init__(self, response: UpstreamResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self._response = response
        self._pieces: list[bytes] = []
        self._ended = False
        self._error: UpstreamError | None = None
        self._paused = False
        self._wanted = False
        self._on_data: OnData
        self._on_end: OnEnd

    def begin(self, on_data: OnData, on_end: OnEnd) -> None:
        """Begins to read from the upstream; tells of every read, and holds it."""
        self._on_data, self._on_end = on_data, on_end
        self._response.stream(self._came, self._came_to_end)

    def _came(self, data: bytes) -> None:
        if not self._wanted:
            self._pieces.append(data)
        self._on_data(data)

    def _came_to_end(self, error: UpstreamError | None) -> None:
        self._ended, self._error = True, error
        self._on_end(error)

    @property
    def body(self) -> bytes:
        """What has come so far."""
        return b"".join(self._pieces)

    def stream(self, on_data: OnData, on_end: OnEnd) -> None:
        """Delivers what is held, and what comes from now on."""
        pieces, self._pieces = self._pieces, []
        self._on_data, self._on_end, self._wanted = on_data, on_end, True
        for piece in pieces:
            on_data(piece)
        if self._ended:
            on_end(self._error)
        elif not self._paused:
            self._response.resume()

    def offer_to(self, shortcut: Taker) -> None:
        """Offers pieces to a shortcut."""
        self._response.offer_to(shortcut)

    def at_hand(self, max_bytes: int) -> bytes | None:
        """Returns nothing: it is to be read."""
        return None

    async def read(self, max_bytes: int) -> bytes:
        """Returns the body, which has come whole."""
        if not self._ended or self._error is not None:
            raise self._error or UpstreamCut("The answer did not come whole.")
        return self.body

    def pause(self) -> None:
        """Stops reading."""
        self._paused = True
        self._response.pause()

    def resume(self) -> None:
        """Goes on reading."""
        self._paused = False
        self._response.resume()

    def limit_idle(self, seconds: float | None) -> None:
        """Changes the limit between two reads."""
        self._response.limit_idle(seconds)

    def hold(self) -> None:
        """Stops reading until somebody wants the answer."""
        self._response.pause()

    def release(self) -> None:
        """Says that no more is wanted."""
        self._response.release()

    def close(self) -> None:
        """Closes the connection."""
        self._response.close()


class Scout:
    """An attempt beside the first. `wins` is asked, once it has something to show, whether it is the first to do so.

    `exchange` is its copy of the exchange, `attempt` its line in the record, `filters` what stages have left behind.
    It has `won` from the moment in which the other attempt was ended for it.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        exchange: Exchange,
        request: ModelRequest,
        deployment: Deployment,
        wins: Callable[[], bool],
    ) -> None:
        self.deployment = deployment
        self.attempt = Attempt(deployment.provider.name, deployment.model, time.monotonic())
        self.filters: list[ResponseFilter] = []
        self.exchange = _twin(exchange, request, deployment, self.attempt)
        self.won = False
        self._pipeline = pipeline
        self._wins = wins
        self._told: Usage | None = None
        self._size = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._held: HeldResponse
        self._decoder: Decoder
        self._parser: Parser | None = None  # none for an answer that comes whole

    async def run(self, side: ClientSide) -> HeldResponse:
        """Asks, and reads up to what it has to show; returns the answer so far. Raises ExchangeError.

        However it ends without an answer, its connection is closed.
        """
        for stage in self._pipeline.below:
            result = await asked(stage, self.exchange)
            if isinstance(result, Reply):
                raise result.error or InternalError("A stage answered an attempt beside another one.")
            if result is not None:
                self.filters.append(result)
        provider = self.deployment.provider
        response = await Answering(self._pipeline, self.exchange, side, self.deployment, self.filters).ask()
        held = self._held = HeldResponse(response)
        try:
            self._decoder = provider.decoder(self.exchange)
            if not response.headers.get("content-type", "").startswith("application/json"):
                self._parser = provider.parser(self.exchange)
            held.begin(self._on_data, self._on_end)
            await self._shown()
        except BaseException:
            held.close()
            raise
        return held

    async def _shown(self) -> None:
        limit = self.deployment.limits.first_token
        try:
            async with asyncio.timeout(limit):
                await self._done
        except TimeoutError:
            raise UpstreamTimeout(f"The upstream sent no token within {limit or 0:g} s.", phase="first_token") from None

    def _on_data(self, data: bytes) -> None:
        if self._done.done():
            return
        self._size += len(data)
        if self._size > self._pipeline.max_answer_bytes:
            self._done.set_exception(UpstreamGarbled("The upstream's answer is too large."))
        elif (parser := self._parser) is not None:
            self._look(lambda: self._decoder.feed(parser.feed(data)))

    def _on_end(self, error: ExchangeError | None) -> None:
        if self._done.done():
            return
        if (parser := self._parser) is not None:
            self._look(lambda: self._decoder.feed(parser.finish()) + self._decoder.finish())
        elif error is None:
            self._look(lambda: self._decoder.whole(self._held.body))
        if not self._done.done():
            self._done.set_exception(error or UpstreamCut("The upstream's answer has shown nothing."))

    def _look(self, read: Callable[[], list[Event]]) -> None:
        """Takes events, and ends the search with one that decides."""
        try:
            events = read()
        except ExchangeError as error:
            self._done.set_exception(error)
            return
        except Exception as error:  # a bug in a decoder ends this attempt, not the connection's protocol
            _log.error("the answer could not be decoded", exc_info=error)
            self._done.set_exception(InternalError("The answer could not be decoded; the log says why."))
            return
        for event in events:
            if isinstance(event, Usage):
                self._told = event
            elif isinstance(event, UpstreamFailed):
                self._done.set_exception(event.error)
                return
            elif isinstance(event, _SHOWN):
                self._show()
                return

    def _show(self) -> None:
        self._held.hold()
        self.won = self._wins()
        if self.won:
            self._done.set_result(None)
        else:
            self._done.cancel()

    def charge(self, exchange: Exchange, failed: ExchangeError | None) -> None:
        """Charges the exchange for an attempt that was not the answer: what it told, else what a closed one costs."""
        twin = self.exchange
        if self.attempt.usage is not None:
            return
        twin.usage = self._told or (begun_usage(twin, self.attempt) if failed is None else None)
        twin.cost = None
        self._pipeline.prices.charge(twin)
        if twin.cost is not None:
            exchange.cost = twin.cost if exchange.cost is None else exchange.cost + twin.cost


def begun_usage(exchange: Exchange, attempt: Attempt) -> Usage | None:
    """Returns a guess of what an upstream has used that was closed while it answered; None where it had not begun."""
    if attempt.status != 200 or exchange.upstream_request is None:
        return None
    asked = exchange.upstream_request.size // 4
    return Usage(input_tokens=asked, total_tokens=asked, estimated=True)


def _twin(exchange: Exchange, request: ModelRequest, deployment: Deployment, attempt: Attempt) -> Exchange:
    """Returns a copy of an exchange for another attempt: what that does to it does not show in the other."""
    twin = copy.copy(exchange)
    twin.request = request.copy()
    twin.deployment = deployment
    twin.upstream_request = None
    twin.attempts = [attempt]
    twin.marks = {name: value for name, value in exchange.marks.items() if name != "tools"}
    twin.ignored = list(exchange.ignored)
    twin.response_headers = dict(exchange.response_headers)
    twin.timing = copy.copy(exchange.timing)
    twin.usage = twin.cost = None
    twin.plan = None
    return twin
