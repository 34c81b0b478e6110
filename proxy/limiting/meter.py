"""Watches a stream that may cost more than was reserved for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..counters.limits import Counters, Demand, Grant
from ..errors import ExchangeError, RateLimited
from ..events import Event, ReasoningDelta, Refusal, TextDelta, ToolCallDelta, UpstreamFailed
from .rules import Claim, demands
from .stage import Admitted

if TYPE_CHECKING:
    from ..exchange import Exchange

_CHARS_A_TOKEN = 4


class Metered(Admitted):
    """Reserves more money while a stream grows beyond what was reserved; cuts it when there is no more.

    `claims` are all that were met, `money` those of them that a longer stream asks more of. `reserved` is the number of
    tokens of output that they were for, and `cost` what so many more tokens cost, in nano-dollars. While more is being
    asked for, the stream goes on.
    """

    def __init__(
        self,
        counters: Counters,
        grant: Grant,
        claims: Sequence[Claim],
        exchange: Exchange,
        money: Sequence[Claim],
        reserved: int,
        cost: Callable[[int], int],
    ) -> None:
        super().__init__(counters, grant, claims, exchange)
        self.ends_at_once = False  # more may be on its way
        self._demands = demands(exchange, money)
        self._cost = cost
        self._step = max(1, reserved)
        self._chars = 0
        self._until = self._step * _CHARS_A_TOKEN
        self._more: list[Grant] = []
        self._asking: asyncio.Task[None] | None = None
        self._error: ExchangeError | None = None

    def watch(self, exchange: Exchange, money: Sequence[Claim], reserved: int) -> None:
        """Has more be reserved of other claims, too; `reserved` is how many tokens of output they were for."""
        self._demands += demands(exchange, money)
        self._step = min(self._step, max(1, reserved))
        self._until = self._step * _CHARS_A_TOKEN

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

    async def on_end(self, exchange: Exchange) -> None:
        """Settles what was reserved first by what was used, and gives back what was reserved later."""
        if self._asking is not None:
            await asyncio.wait((self._asking,))
        await super().on_end(exchange)
        for grant in self._more:
            await self._counters.settle(grant, [0] * len(self._demands))

    async def _reserve_more(self) -> None:
        """Reserves as much again, and at least what was said meanwhile."""
        tokens = max(self._step, (self._chars - self._until) // _CHARS_A_TOKEN + self._step)
        amount = self._cost(tokens)
        try:
            grant = await self._counters.reserve([Demand(one.counter, one.limit, amount) for one in self._demands])
        except ExchangeError as error:
            self._error = error
            return
        if grant.refused is not None:
            self._error = RateLimited(
                "The budget was used up by this response.", code="insufficient_quota", type="insufficient_quota"
            )
            return
        self._more.append(grant)
        self._until += tokens * _CHARS_A_TOKEN
        self._asking = None
