"""What becomes of a stream when more cannot even be asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from proxy.counters import Demand, Grant, Limit, LocalCounters
from proxy.errors import Overloaded
from proxy.events import TextDelta, UpstreamFailed
from proxy.exchange import Exchange
from proxy.limiting.meter import Cut, Metered
from proxy.limiting.rules import Claim, Rule
from tests.support.drive import exchange_of


class Failing(LocalCounters):
    """Counters that cannot be asked any more."""

    async def reserve(self, demands: Sequence[Demand]) -> Grant:
        raise Overloaded("Limits cannot be checked at the moment.")


class Cents:
    """A token costs a nano-dollar."""

    def output_cost(self, exchange: Exchange, tokens: int) -> int:
        return tokens


async def test_counters_that_fail_end_the_stream() -> None:
    exchange = exchange_of()
    claim = Claim(Rule("budget", ("key",), Limit(unit="usd", most=10, window_s=60)), 1)
    meter = Metered(Failing(), Grant((), []), [claim], exchange, [], [Cut(Cents(), [claim], 1)])
    assert len(meter.on_events(exchange, [TextDelta("x" * 8)])) == 1
    await asyncio.sleep(0)
    (end,) = meter.on_events(exchange, [TextDelta("more")])
    assert isinstance(end, UpstreamFailed)
    with pytest.raises(Overloaded):
        raise end.error
    await meter.on_end(exchange)
