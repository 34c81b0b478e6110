"""The attempts of one exchange: whom to ask, whom next, when to wait, and when to give up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from ..errors import ExchangeError, Overloaded, RateLimited, UpstreamError
from ..providers.provider import Deployment, Plan
from .backoff import pause_after
from .failures import OF_THE_REQUEST, Failure, failure_of, may_help
from .health import Board
from .session import narrowed
from .strategies import Choose, Member, weighted

if TYPE_CHECKING:
    from ..exchange import Exchange


class Way(msgspec.Struct, frozen=True):
    """A fallback: its members, and the kinds of failures it is for; None for all that may pass elsewhere."""

    members: tuple[Member, ...]
    errors: frozenset[Failure] | None = None

    def leads_on_from(self, kinds: set[Failure | None]) -> bool:
        """Tells whether it is for one of these failures."""
        if self.errors is None:
            return not kinds <= OF_THE_REQUEST
        return bool(self.errors & kinds)


class Routes(msgspec.Struct, frozen=True):
    """Where the answers of one model can come from: its own deployments, then those of its fallbacks.

    One that is `alone` has no other beside or behind it.
    """

    members: tuple[Member, ...]
    ways: tuple[Way, ...] = ()

    @property
    def alone(self) -> bool:
        """Whether there is one deployment only."""
        return len(self.members) == 1 and not self.ways


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How attempts are made, for all exchanges of a stage. Times are in seconds."""

    board: Board
    choose: Choose = weighted
    sticky: bool = False
    retries: int = 2
    max_wait_s: float = 10.0
    deadline_s: float = 600.0
    hedge_after_s: float | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class RoutePlan(Plan):
    """Goes from one deployment to the next: those of the model first, then those of its fallbacks.

    One budget of retries covers all attempts, those beside another one included, and one deadline all pauses.
    """

    __slots__ = (
        "_again",
        "_at",
        "_beside",
        "_current",
        "_exchange",
        "_failure",
        "_groups",
        "_retried",
        "_routes",
        "_rules",
        "_until",
        "_ways",
        "hedge_after_s",
        "mirror",
    )

    def __init__(self, exchange: Exchange, routes: Routes, rules: Rules) -> None:
        self.hedge_after_s = rules.hedge_after_s
        self.mirror: Callable[[Exchange], Plan] | None = None
        self._exchange: Exchange | None = exchange
        self._routes = routes
        self._rules = rules
        self._groups: list[list[Member]] = [list(routes.members)]  # of each, whom nobody has asked yet
        self._ways = routes.ways
        self._again: list[tuple[float, Member]] = []  # when they may be asked again, on the board's clock
        self._current: Member | None = None
        self._beside: Member | None = None
        self._at = 0.0
        self._failure: Failure | None = None
        self._retried = 0
        self._until = rules.board.clock() + rules.deadline_s

    # --- one after the other

    async def next(self, failed: ExchangeError | None) -> Deployment | None:
        """Returns the deployment of the next attempt, after a pause where one is due; None to give up.

        Raises RateLimited or Overloaded, with the time after which to come again, when nobody could be asked at all.
        """
        rules = self._rules
        if failed is not None:
            if not self._goes_on_after(failed):
                return None
        elif self._current is not None:  # it was of no use for this request
            rules.board.leave(self._current.health)
            self._current = None
        while True:
            now = rules.board.clock()
            member = self._open(now)
            if member is not None:
                return self._take(member, now)
            ready, member = self._soonest(now)
            if member is None:
                return None
            if ready > now and (ready - now > rules.max_wait_s or ready > self._until):
                self._give_up(failed, ready - now)
                return None
            if ready > now:
                await rules.sleep(ready - now)
            if self._was_promised(member, rules.board.clock()):
                return self._take(member, rules.board.clock())

    def _take(self, member: Member, now: float) -> Deployment:
        self._rules.board.begin(member.health)
        self._current = member
        self._at = now
        return member.deployment

    def _goes_on_after(self, failed: ExchangeError) -> bool:
        """Takes note of a failure; tells whether another attempt may be made."""
        member, self._current = self._current, None
        if member is None:
            return False
        board = self._rules.board
        board.failed(member.health, failed, alone=self._routes.alone)
        self._retried += 1
        self._failure = failure_of(failed)
        if self._retried > self._rules.retries or board.clock() > self._until:
            return False
        same, elsewhere = may_help(failed)
        if self._failure in OF_THE_REQUEST:
            self._groups.clear()
            self._again.clear()
            return True
        if same:
            self._again.append((board.clock() + pause_after(self._retried, failed.retry_after_s), member))
        return same or elsewhere

    # --- whom to ask

    def _open(self, now: float) -> Member | None:
        """Returns whom nobody has asked yet and who may be asked now. Fallbacks come when the model has nobody left."""
        index = 0
        while True:
            while index < len(self._groups):
                group = self._groups[index]
                if len(group) == 1:
                    if group[0].health.is_ready(now):
                        return group.pop()
                    index += 1
                    continue
                ready = [one for one in group if one.health.is_ready(now)]
                if ready:
                    member = self._chosen(ready, now)
                    group.remove(member)
                    return member
                index += 1
            way = self._next_way()
            if way is None:
                return None
            self._groups.append(list(way.members))

    def _chosen(self, ready: Sequence[Member], now: float) -> Member:
        exchange = self._exchange
        if len(ready) == 1 or exchange is None:
            return ready[0]
        if self._rules.sticky:
            ready = narrowed(exchange, ready)
        return self._rules.choose(ready, now, streamed=_streams(exchange))

    def _next_way(self) -> Way | None:
        """Returns the next fallback that is for what has happened: to this request, or before it to all others."""
        if not self._ways:
            return None
        kinds: set[Failure | None] = {self._failure}
        if self._failure is None and self._current is None and not self._retried:
            kinds = {one.health.why for one in self._routes.members}
        for way in self._ways:
            if way.leads_on_from(kinds):
                self._ways = tuple(other for other in self._ways if other is not way)
                return way
        return None

    def _soonest(self, now: float) -> tuple[float, Member | None]:
        """Returns who may be asked soonest, and when."""
        found = list(self._again)  # not longer than its backoff, or than its upstream has said
        found += [(max(now, one.health.cool_until), one) for group in self._groups for one in group]
        return min(found, key=lambda entry: entry[0], default=(now, None))

    def _was_promised(self, member: Member, now: float) -> bool:
        """Takes one out of those that wait; False when it cools down longer by now."""
        for group in self._groups:
            if member in group:
                if now < member.health.cool_until:
                    return False
                group.remove(member)
                return True
        self._again = [entry for entry in self._again if entry[1] is not member]
        return True

    def _give_up(self, failed: ExchangeError | None, wait_s: float) -> None:
        """Says when to come again: with the failure, or where nobody was asked, with a refusal of our own."""
        if failed is not None:
            if failed.status in (429, 503):
                failed.retry_after_s = wait_s
            return
        limited = all(one.health.why == "rate_limit" for one in self._routes.members)
        asked = None if self._exchange is None else self._exchange.model
        raise (RateLimited if limited else Overloaded)(
            f"The model '{asked}' cannot be asked now: "
            + ("its rate limits are used up." if limited else "its deployments are cooling down after failures."),
            retry_after_s=wait_s,
        )

    # --- two at a time

    def hedge(self) -> Deployment | None:
        """Returns a deployment to be asked beside the one that is being asked; None where there is none to spare."""
        rules = self._rules
        now = rules.board.clock()
        ready = [one for one in (self._groups[0] if self._groups else ()) if one.health.is_ready(now)]
        if not ready or self._beside is not None or self._retried >= rules.retries:
            return None
        assert self._exchange is not None
        member = rules.choose(ready, now, streamed=True)
        self._groups[0].remove(member)
        self._retried += 1
        rules.board.begin(member.health)
        self._beside = member
        return member.deployment

    def hedge_ended(self, failed: ExchangeError | None) -> None:
        """Says that the attempt beside the other one is over: it has failed, or the other one was faster."""
        member, self._beside = self._beside, None
        if member is not None:
            self._verdict(member, failed)

    def hedge_takes_over(self, failed: ExchangeError | None) -> None:
        """Says that the attempt beside the other one is the only one now: that has failed, or was slower."""
        member, self._current, self._beside = self._current, self._beside, None
        now = self._rules.board.clock()
        if member is not None:
            self._verdict(member, failed)
            if failed is None and now - self._at > member.health.latency_s(now, streamed=True):
                member.health.measure(now - self._at, now, streamed=True)  # it takes that long at least
        self._at = now

    def _verdict(self, member: Member, failed: ExchangeError | None) -> None:
        if failed is None:
            self._rules.board.leave(member.health)
        else:
            self._rules.board.failed(member.health, failed, alone=self._routes.alone)

    # --- the end

    def settle(self, exchange: Exchange) -> None:
        """Takes note of how the last attempt has ended; safe to call again. Hot: once an exchange."""
        self._exchange = None
        if self._beside is not None:
            self.hedge_ended(None)
        member, self._current = self._current, None
        if member is None:
            return
        board = self._rules.board
        error = exchange.error
        if isinstance(error, UpstreamError):
            board.failed(member.health, error, alone=self._routes.alone)
        elif not exchange.committed:
            board.leave(member.health, began=self._at)
        else:
            first = exchange.timing.first_event
            seconds = None if first is None else first - exchange.attempts[-1].started
            board.succeeded(member.health, seconds, streamed=_streams(exchange), began=self._at)


def _streams(exchange: Exchange) -> bool:
    try:
        return exchange.request.stream
    except ExchangeError:  # what is passed on as it came need not make sense
        return False
