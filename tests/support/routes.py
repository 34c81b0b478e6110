"""Deployments, plans and a clock of one's own, for tests of routing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from proxy.errors import ExchangeError, UpstreamRefused
from proxy.exchange import Exchange
from proxy.providers.provider import Deployment
from proxy.routing.health import Board
from proxy.routing.plan import RoutePlan, Routes, Rules, Way
from proxy.routing.strategies import Member
from tests.support.drive import asking, exchange_of
from tests.support.scripted import ScriptedProvider, stream


class Clock:
    """A clock that only goes on when somebody sleeps; `slept` says how long each did."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def deployment(name: str, weight: float = 1.0) -> Deployment:
    """Returns a deployment on an upstream of that name."""
    return Deployment(ScriptedProvider(name, stream(None)), "x", weight)


def refused(status: int = 503, *, same: bool = True, elsewhere: bool = True, **more: Any) -> UpstreamRefused:
    """Returns an error status of an upstream."""
    error = UpstreamRefused("no", status=status, **more)
    error.upstream_status = status
    error.retry_same, error.fail_over = same, elsewhere
    return error


class Planner:
    """A model `m` with deployments and fallbacks, whose health outlives its exchanges."""

    def __init__(
        self,
        group: Sequence[Deployment],
        ways: Sequence[tuple[Sequence[Deployment], Sequence[str]]] = (),
        *,
        failures: int = 3,
        cooldown_s: float = 10.0,
        **rules: Any,
    ) -> None:
        self.clock = Clock()
        self.board = Board(failures=failures, cooldown_s=cooldown_s, clock=self.clock)
        rules = {"retries": 5, "max_wait_s": 0.0, **rules}
        self.rules = Rules(board=self.board, sleep=self.clock.sleep, **rules)
        self.routes = Routes(
            self._members(group),
            tuple(Way(self._members(to), frozenset(errors) or None) for to, errors in ways),  # type: ignore[arg-type]
        )

    def _members(self, group: Sequence[Deployment]) -> tuple[Member, ...]:
        return tuple(Member(one, self.board.of(one.name)) for one in group)

    def plan(self, exchange: Exchange | None = None) -> RoutePlan:
        """Returns the plan of a new exchange."""
        return RoutePlan(exchange or exchange_of(asking()), self.routes, self.rules)

    async def asked(self, *failures: ExchangeError | None) -> list[str]:
        """Returns the upstreams that one exchange asks in turn, each failing with the next of the failures.

        None is an answer. When all have failed as they should, one more may be asked, and answers.
        """
        exchange = exchange_of(asking())
        plan, asked = self.plan(exchange), list[str]()
        failed: ExchangeError | None = None
        for upcoming in (*failures, None):
            found = await plan.next(failed)
            if found is None:
                exchange.error = failed
                break
            asked.append(found.provider.name)
            exchange.attempts = []
            failed = upcoming
            if failed is None:
                exchange.committed = True
                break
        plan.settle(exchange)
        return asked
