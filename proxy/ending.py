"""The end of one exchange: its error told, its response kept, and everybody told once that it is over."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from .client_side import ClientSide
from .errors import BadRequest, ExchangeError, ResponseCancelled, UpstreamError
from .exchange import Exchange, Outcome
from .guarded import guarded
from .reply import Reply
from .stage import ResponseFilter

if TYPE_CHECKING:
    from .pipeline import Pipeline

_log = logging.getLogger("penstock")
_ends_at_once = attrgetter("ends_at_once")
_ON_ERROR_S = 30.0
"""How long a filter may look at what an upstream has failed with, for the same reason as below."""
_ON_END_S = 30.0
"""How long a filter may take for the end of an exchange: one that hangs must not hold the exchange for ever."""


class Ending:
    """How one exchange ends. `filters` are those who are told; `on_settled` is called when all else is done.

    A response is kept before its end is told. Where its client has left by then, both are done out of its reach.
    """

    __slots__ = (
        "_exchange",
        "_kept",
        "_on_settled",
        "_pipeline",
        "_settled",
        "_side",
        "_unkept",
        "filters",
        "is_settled",
    )

    def __init__(
        self, pipeline: Pipeline, exchange: Exchange, side: ClientSide, on_settled: Callable[[], None]
    ) -> None:
        self._pipeline = pipeline
        self._exchange = exchange
        self._side = side
        self._on_settled = on_settled
        self._kept = False
        self._unkept = False  # although there is something to keep
        self.filters: list[ResponseFilter] = []
        self.is_settled = False
        self._settled: asyncio.Event | None = None  # made when somebody waits for it

    async def settled(self) -> None:
        """Returns when everybody has been told that it is over."""
        if not self.is_settled:
            if self._settled is None:
                self._settled = asyncio.Event()
            await self._settled.wait()

    def fail(self, error: ExchangeError) -> Reply | None:
        """Ends the exchange in an error: as HTTP while nothing was sent, else in the stream."""
        exchange, side = self._exchange, self._side
        if isinstance(error, ResponseCancelled):
            if side.encoder is not None and side.encoder.done:  # too late: all of it was there
                side.take_outcome()
                return None
            exchange.outcome = "cancelled"
            exchange.usage = exchange.usage or side.estimated_usage()
            self._pipeline.prices.charge(exchange)
            side.cancel()
            return None
        exchange.error = error
        exchange.outcome = "failed" if side.stream.opened else _outcome_of(error, exchange)
        if not side.stream.opened:
            reply = Reply.from_error(error)
            reply.headers = {**side.headers(), **reply.headers}
            exchange.head_status = reply.status
            return reply
        side.fail(error)
        return None

    def desert(self) -> None:
        """Notes that the client has left. An answer that is whole is what it is, and only has to be kept."""
        exchange, side = self._exchange, self._side
        if exchange.outcome is not None:
            return
        if side.encoder is not None and side.encoder.done:
            side.take_outcome()
            self._unkept = True
        else:
            exchange.outcome = "cancelled"

    async def conclude(self) -> None:
        """Keeps the response and tells its end, where the end was held back for that."""
        encoder = self._side.encoder
        if encoder is None or not encoder.done or self._kept:
            return
        if self._exchange.error is not None and not self._side.stream.opened:
            return  # it is an HTTP error: there is no response
        self._kept = True
        try:
            self._add_up()
            await self._pipeline.keeper.keep(self._exchange, encoder)
        except asyncio.CancelledError:  # nobody may have seen to its end
            self._kept, self._unkept = False, True
            raise
        except Exception as error:  # a bug there must not take the end from the client
            _log.error("response %s is not kept", self._exchange.response_id, exc_info=error)
        finally:
            self._side.tell_end()

    async def settle(self) -> None:
        """Runs every `on_end` once, in reverse, to the end, even when the client's task is cancelled meanwhile."""
        self._exchange.timing.ended = time.monotonic()
        try:
            self._close()
        except Exception as error:  # whatever is wrong, everybody must be told that it is over
            _log.error("exchange %s could not be closed", self._exchange.id, exc_info=error)
            self._side.finish()
        filters = self.filters
        if self._unkept or self._exchange.claim is not None or not all(map(_ends_at_once, filters)):
            if any(one.lingers for one in filters):
                self._pipeline.settling(self._ends())
            else:
                await self._pipeline.shielded(self._ends())
            return
        try:
            for one in reversed(filters):  # as `tell_end` does for those that may wait
                try:
                    await one.on_end(self._exchange)
                except Exception as error:
                    _log.error("on_end of %s failed", type(one).__name__, exc_info=error)
        finally:
            self._ended()

    def _close(self) -> None:
        """Ends the client's stream."""
        exchange, side = self._exchange, self._side
        if exchange.plan is not None:
            exchange.plan.settle(exchange)
        self._add_up()
        if exchange.outcome == "cancelled" and side.open_response():
            side.cancel()
            self._unkept = True
        if not self._unkept:
            side.finish()

    def _add_up(self) -> None:
        """Finds out what was used, and what it has cost."""
        exchange = self._exchange
        if exchange.usage is None and (exchange.committed or _left_while_answered(exchange)):
            exchange.usage = self._side.estimated_usage()
        self._pipeline.prices.charge(exchange)

    async def _ends(self) -> None:
        try:
            if self._unkept:  # out of reach of the client that has left
                await guarded(self.conclude(), "keeping a response")
                self._side.finish()
            if self._exchange.claim is not None:
                await guarded(self._pipeline.keeper.let_go(self._exchange), "letting go of a conversation")
            await tell_end(self.filters, self._exchange)
        finally:
            self._ended()

    def _ended(self) -> None:
        try:
            self._on_settled()
        finally:
            self._on_settled = self._side.let_go  # nobody is told twice; and what was served waits for no collector
            self._side.let_go()
            self.is_settled = True
            if self._settled is not None:
                self._settled.set()


async def tell_failure(filters: Sequence[ResponseFilter], exchange: Exchange, *errors: UpstreamError) -> None:
    """Shows filters, in reverse, what an upstream has failed with.

    Raises what one of them raises, and TimeoutError where one hangs: the client must not be told what it would have
    changed.
    """
    for one in reversed(filters):
        for error in errors:
            async with asyncio.timeout(_ON_ERROR_S):
                await one.on_error(exchange, error)


async def tell_end(filters: Sequence[ResponseFilter], exchange: Exchange) -> None:
    """Tells filters, in reverse, that an exchange is over; one that fails or hangs keeps no other from being told."""
    for one in reversed(filters):
        await guarded(one.on_end(exchange), f"on_end of {type(one).__name__}", within_s=_ON_END_S)


def _left_while_answered(exchange: Exchange) -> bool:
    """Tells whether the client has left when the upstream had begun, and with that read what it was asked."""
    return exchange.outcome == "cancelled" and bool(exchange.attempts) and exchange.attempts[-1].status == 200


def _outcome_of(error: ExchangeError, exchange: Exchange) -> Outcome:
    """Returns `rejected` for what was refused before any upstream had been asked, else `failed`."""
    return "failed" if exchange.attempts and not isinstance(error, BadRequest) else "rejected"
