"""A request's way down the stages, and what becomes of an answer that one of them gives itself."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from .client_side import ClientSide
from .ending import Ending
from .errors import InternalError
from .exchange import Exchange
from .reply import Reply
from .stage import Head, ResponseFilter, Stage
from .stage_times import took


class Descent:
    """The way down of one exchange. `filters` are those that stages have left behind, in the order of their coming."""

    __slots__ = ("_ending", "_exchange", "_side", "filters")

    def __init__(self, exchange: Exchange, side: ClientSide, ending: Ending) -> None:
        self._exchange = exchange
        self._side = side
        self._ending = ending
        self.filters = ending.filters

    async def through(self, stages: Sequence[Stage], seen: list[ResponseFilter] | None = None) -> Reply | None:
        """Shows stages the request, until one answers it; their filters are added to those `seen`, too."""
        exchange = self._exchange
        for stage in stages:  # as `stage_times.asked` does, which is a coroutine more
            if exchange.times is None and not stage.observer:  # nobody has wanted to know it, and nobody will
                result = await stage.on_request(exchange)
            else:
                before = monotonic()
                try:
                    result = await stage.on_request(exchange)
                finally:
                    if exchange.times is not None:
                        took(stage.name, exchange.times, monotonic() - before)
            if result is not None:
                if isinstance(result, Reply):
                    return result
                self.filters.append(result)
                if seen is not None:
                    seen.append(result)
        return None

    async def replied(self, reply: Reply) -> Reply | None:
        """Takes a stage's own answer; filters that were there before it may still change its head.

        Behind the head of a stream only a refusal can still be told.
        """
        exchange = self._exchange
        if self._side.stream.opened:
            return self._ending.fail(reply.error or InternalError("A stage answered when the stream had been opened."))
        exchange.error = reply.error
        exchange.outcome = "rejected" if reply.error is not None else "completed"
        head = Head(reply.status, {**self._side.headers(), **reply.headers})
        for one in reversed(self.filters):
            await one.on_head(exchange, head)
        exchange.head_status = head.status
        return Reply(head.status, reply.body, head.headers, reply.error)
