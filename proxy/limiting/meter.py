"""Watches a stream that may cost more than was reserved for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from ..counters.limits import Counters, Demand, Grant
from ..errors import ExchangeError, RateLimited
from ..events import Event, ReasoningDelta, Refusal, TextDelta, ToolCallDelta, UpstreamFailed
from .rules import Claim, demands
from .spending import Part, Spending

if TYPE_CHECKING:
    from ..exchange import Exchange

_CHARS_A_TOKEN = 4


class Cutter(Protocol):
    """A stage that cuts streams."""

    def output_cost(self, exchange: Exchange, tokens: int) -> int:
        """Returns what so many more tokens of output cost, in nano-dollars."""


class Cut(msgspec.Struct, frozen=True, gc=False):
    """What a stage has reserved of a stream that it may cut; `reserved` is how many tokens of output that was for."""

    stage: Cutter
    claims: Sequence[Claim]
    reserved: int


class Metered(Spending):
    """Reserves more money while a stream grows beyond what was reserved; cuts it when there is no more.

    `cuts` are the claims that a longer stream asks more of. While more is being asked for, the stream goes on.
    """

    def __init__(
        self,
        counters: Counters,
        grant: Grant,
        claims: Sequence[Claim],
        exchange: Exchange,
        parts: Sequence[Part],
        cuts: Sequence[Cut],
    ) -> None:
        super().__init__(counters, grant, claims, exchange, parts)
        self.ends_at_once = False  # more may be on its way
        self._exchange = exchange
        self._cuts = [(cut.stage, demands(exchange, cut.claims)) for cut in cuts]
        self._step = max(1, min(cut.reserved for cut in cuts))
        self._chars = 0
        self._until = self._step * _CHARS_A_TOKEN
        self._asking: asyncio.Task[None] | None = None
        self._error: ExchangeError | None = None

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        """Counts what was said. Hot: once a read."""
        if self._error is not None:
            return [UpstreamFailed(self._error)]
        for event in events:
            if isinstance(event, (TextDelta, ReasoningDelta, Refusal)):
                self._chars += len(event.text)
            elif isinstance(event, ToolCallDelta):
                self._chars += len(event.arguments)
        if self._chars >= self._until and self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._reserve_more())
        return events

    def on_text(self, exchange: Exchange, text: str) -> bool:
        """Counts one more piece, unless there is something to be done about it. Hot: once a read."""
        chars = self._chars + len(text)
        if self._error is not None or (chars >= self._until and self._asking is None):
            return False
        self._chars = chars
        return True

    async def on_end(self, exchange: Exchange) -> None:
        """Settles once what was asked for has come."""
        if self._asking is not None:
            await asyncio.wait((self._asking,))
        await super().on_end(exchange)

    async def _reserve_more(self) -> None:
        """Reserves as much again, and at least what was said meanwhile."""
        tokens = max(self._step, (self._chars - self._until) // _CHARS_A_TOKEN + self._step)
        try:
            asked = [
                Demand(one.counter, one.limit, stage.output_cost(self._exchange, tokens))
                for stage, every in self._cuts
                for one in every
            ]
            grant = await self._counters.reserve(asked)
        except ExchangeError as error:
            self._error = error
            return
        if grant.refused is not None:
            self._error = RateLimited(
                "The budget was used up by this response.", code="insufficient_quota", type="insufficient_quota"
            )
            return
        self.grants.append(grant)
        self._until += tokens * _CHARS_A_TOKEN
        self._asking = None
