"""Stages that let a request in only while its subjects are within their limits.

What a request may use is reserved over all limits at once, those of the limiting stages that stand next to each other
included: one decision, which takes everything or nothing. What it did use is settled at its end, however it ended.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from ..counters.limits import Counters, Grant, Unit
from ..counters.local import LocalCounters
from ..mirroring import MARK as MIRROR_OF
from ..pricing.book import PriceBook
from ..reply import Reply
from ..stage import ResponseFilter, Stage
from .estimate import nano_dollars
from .own import OwnLimits, own_rules
from .rules import Claim, Rule, demands, refused, tell

if TYPE_CHECKING:
    from ..exchange import Attempt, Exchange

REFUSED_BY = "refused by a limit"
"""The mark of an exchange that a limit has refused: the rule that did."""
_MOST_OWN = 10_000


class LimitStage(Stage, ABC):
    """Base of the stages with limits. A pipeline gives them the counters and prices of the file before they start.

    `units` are what such a stage limits.
    """

    units: ClassVar[tuple[Unit, ...]] = ()
    watches: ClassVar[bool] = False
    """Whether it has more to do with those who are let in than to settle what they have used: see `watched`."""

    def __init__(self, config: Any, rules: Sequence[Rule]) -> None:
        super().__init__(config)
        self._rules = list(rules)
        self._own_apply = config.subjects == ("key",)
        self._of_keys: dict[OwnLimits, list[Rule]] = {}
        self.counters: Counters = LocalCounters()
        self.prices: PriceBook | None = None
        self._joined: tuple[LimitStage, ...] = (self,)

    async def start(self) -> None:
        """Starts the counters."""
        await self.counters.start()

    async def close(self) -> None:
        """Closes them."""
        await self.counters.close()

    def rules(self, exchange: Exchange) -> list[Rule]:
        """Returns the rules for an exchange: where each key is counted, a key's own limits stand before the stage's."""
        own = None if exchange.key is None else exchange.key.limits
        if own is None or not self._own_apply:
            return self._rules
        known = self._of_keys.get(own)
        if known is None:
            if len(self._of_keys) >= _MOST_OWN:
                self._of_keys.clear()
            known = self._of_keys[own] = own_rules(own, self._rules, self.units, self.name, self.config.name)
        return known

    @abstractmethod
    def claims(self, exchange: Exchange) -> list[Claim]:
        """Returns what an exchange asks of this stage's limits; raises ExchangeError for what none could allow."""

    def watched(
        self,
        exchange: Exchange,
        grant: Grant,
        claims: Sequence[Claim],
        parts: Sequence[tuple[Any, Sequence[Claim]]],
    ) -> Admitted:
        """Returns what settles an exchange that was let in, where a stage `watches`; `parts` are the claims of those.

        Asked of the first of them.
        """
        return Admitted(self.counters, grant, claims, exchange)

    def join(self, *others: LimitStage) -> None:
        """Decides for other stages too, which stand right below this one; they let everything pass then."""
        self._joined = (self, *others)
        for other in others:
            other._joined = ()

    async def on_request(self, exchange: Exchange) -> Admitted | Reply | None:
        """Reserves what the request may use, or answers 429. A copy for a mirror is not counted, wherever it passes."""
        if not self._joined or MIRROR_OF in exchange.marks:
            return None
        claims: list[Claim] = []
        parts: list[tuple[LimitStage, list[Claim]]] = []
        for stage in self._joined:
            own = stage.claims(exchange)
            claims += own
            if own and stage.watches:
                parts.append((stage, own))
        if not claims:
            return None
        grant = await self.counters.reserve(demands(exchange, claims))
        if grant.refused is not None:
            exchange.marks[REFUSED_BY] = claims[grant.refused].rule
            reply = refused(claims[grant.refused], grant.standings[grant.refused])
            tell(reply.headers, claims, grant.standings)
            return reply
        tell(exchange.response_headers, claims, grant.standings)
        if parts:
            return parts[0][0].watched(exchange, grant, claims, parts)
        return Admitted(self.counters, grant, claims, exchange)


class Admitted(ResponseFilter):
    """Settles what an exchange was let in with, and what was reserved for it later."""

    def __init__(self, counters: Counters, grant: Grant, claims: Sequence[Claim], exchange: Exchange) -> None:
        self._counters = counters
        self.exchange_id = exchange.id
        self.since = exchange.timing.started
        self.grants = [grant]
        self._claims = claims
        self._attempt = exchange.attempts[-1] if exchange.attempts else None
        self.ends_at_once = counters.settles_at_once
        counters.holds.running[self] = None

    async def on_end(self, exchange: Exchange) -> None:
        """Puts what was used in the place of what was reserved first, and gives back what was reserved later."""
        grants = self.grants
        try:
            await self._counters.settle(grants[0], self._used(exchange))
            if len(grants) > 1:
                for grant in grants[1:]:
                    await self._counters.settle(grant, [0] * len(grant.demands))
        finally:
            self._counters.holds.running.pop(self, None)

    def _used(self, exchange: Exchange) -> list[int]:
        """Returns what was used of each claim; one of a stage below `route` counts only for its own attempt."""
        attempts: Sequence[Attempt] = exchange.attempts
        cost = exchange.cost
        if self._attempt is not None:
            attempts, cost = (self._attempt,), self._attempt.cost
        tokens = 0
        for attempt in attempts:
            usage = attempt.usage
            if usage is not None:
                tokens += usage.total_tokens or usage.input_tokens + usage.output_tokens
        used = []
        for claim in self._claims:
            unit = claim.rule.limit.unit
            if unit == "tokens":
                used.append(tokens)
            elif unit == "usd":
                used.append(nano_dollars(cost))
            else:
                used.append(0 if unit == "parallel" or REFUSED_BY in exchange.marks else 1)
        return used


def join_neighbours(stages: Iterable[Stage]) -> None:
    """Lets limiting stages that stand next to each other decide together."""
    acting = [stage for stage in stages if not stage.observer]
    group: list[LimitStage] = []
    for stage, below in pairwise([*acting, None]):
        if isinstance(stage, LimitStage):
            group.append(stage)
            if not isinstance(below, LimitStage):
                group[0].join(*group[1:])
                group = []
