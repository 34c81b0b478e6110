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


class Counting(LocalCounters):
    """Counters that note what they are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    async def reserve(self, demands: Sequence[Demand]) -> Grant:
        self.asked.append(demands[0].amount)
        return await super().reserve(demands)


async def test_pieces_of_text_count_like_events() -> None:
    """Whichever way they come, more is asked for at the same piece."""
    asked = []
    for short in (False, True):
        exchange = exchange_of()
        counters = Counting()
        claim = Claim(Rule("budget", ("key",), Limit(unit="usd", most=1000, window_s=60)), 1)
        meter = Metered(counters, Grant((), []), [claim], exchange, [], [Cut(Cents(), [claim], 2)])
        for number in range(12):
            if not (short and meter.on_text(exchange, "abc")):
                assert meter.on_events(exchange, [TextDelta("abc")]) == [TextDelta("abc")]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            asked.append((short, number, len(counters.asked)))
        await meter.on_end(exchange)
    assert [(number, count) for short, number, count in asked if short] == [
        (number, count) for short, number, count in asked if not short
    ]
    assert asked[-1][2] > 2
