"""Limits and budgets around a whole server: what comes back when clients leave, and what a cut stream looks like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from proxy.counters import CounterState, LocalCounters
from proxy.limiting.estimate import nano_dollars
from proxy.limiting.stage import LimitStage, join_neighbours
from proxy.pipeline import Settings
from proxy.pricing.book import PriceBook
from proxy.pricing.own import OwnPrice
from proxy.pricing.rates import rate_card
from stages.budget import Budget, BudgetConfig
from stages.rate_limit import RateLimit, RateLimitConfig
from tests.support.grammar import check_stream
from tests.support.house import House, house
from tests.support.scripted import HELLO, ScriptedProvider, Step, chunk, events_of, finish, stream

PRICES = PriceBook([OwnPrice("m", 1, rate_card({"input": 1_000_000, "output": 2_000_000}), ("p/up",))])
WORD = chunk(content="x" * 400)


@asynccontextmanager
async def limited(*steps: Step, stages: list[LimitStage]) -> AsyncIterator[tuple[House, LocalCounters]]:
    """Runs a server with limits whose upstream says the steps."""
    counters = LocalCounters()
    for stage in stages:
        stage.counters, stage.prices = counters, PRICES
    join_neighbours(stages)
    async with house(ScriptedProvider("p", stream(*steps)), stages=stages, settings=Settings(prices=PRICES)) as home:
        yield home, counters


async def of(counters: LocalCounters, unit: str) -> CounterState:
    return next(state for state in await counters.snapshot() if state.unit == unit)


async def test_8_3_streams_that_are_dropped_leave_no_slot_behind() -> None:
    stalled = asyncio.Event()
    async with limited(WORD, stalled, finish(), stages=[RateLimit(RateLimitConfig(parallel=4))]) as (home, counters):
        for number in range(8):
            reader, writer = await home.connect()
            async with asyncio.timeout(10):
                await reader.readuntil(b"x" * 400)
            writer.close()
            await home.settled(number + 1)
        assert (await of(counters, "parallel")).held == 0
        stalled.set()
        together = await asyncio.gather(*(home.ask(stream=True) for _ in range(4)))
        assert [status for status, _, _ in together] == [200] * 4


async def test_9_1_what_a_client_that_left_has_used_is_spent() -> None:
    stages: list[LimitStage] = [RateLimit(RateLimitConfig(tokens=10**6)), Budget(BudgetConfig(usd=1))]
    async with limited(WORD, asyncio.Event(), stages=stages) as (home, counters):
        reader, writer = await home.connect(input="y" * 4000)
        async with asyncio.timeout(10):
            await reader.readuntil(b"x" * 400)
        held = await of(counters, "usd")
        assert (held.used, held.held) == (0, 1007 * 1000 + 1024 * 2000)
        writer.close()
        exchange = await home.settled()
        money, tokens = await of(counters, "usd"), await of(counters, "tokens")
        assert exchange.usage is not None
        assert exchange.usage.estimated
        assert (money.used, money.held) == (nano_dollars(exchange.cost), 0)
        assert (tokens.used, tokens.held) == (exchange.usage.total_tokens, 0)
        assert money.used >= 200_000


async def test_a_stream_that_outgrows_its_budget_is_cut_and_says_why() -> None:
    budget = Budget(BudgetConfig(usd=0.001, in_flight="cut", assume_output=100))
    async with limited(*[WORD] * 20, finish(), stages=[budget]) as (home, counters):
        status, _, data = await home.ask(stream=True)
        assert status == 200
        check_stream(data)
        *_, (kind, failed), (_, done) = events_of(data)
        assert (kind, done) == ("response.failed", "[DONE]")
        assert failed["response"]["error"] == {
            "code": "insufficient_quota",
            "message": "The budget was used up by this response.",
        }
        exchange = await home.settled()
        assert exchange.outcome == "failed"
        assert exchange.usage is not None
        assert 400 <= exchange.usage.output_tokens <= 800
        money = await of(counters, "usd")
        assert (money.used, money.held) == (nano_dollars(exchange.cost), 0)


async def test_one_that_may_finish_does() -> None:
    budget = Budget(BudgetConfig(usd=0.001, assume_output=100))
    async with limited(*[WORD] * 20, finish(), stages=[budget]) as (home, counters):
        _, _, data = await home.ask(stream=True)
        assert events_of(data)[-2][0] == "response.completed"
        await home.settled()
        status, headers, body = await home.ask()
        assert (status, headers["x-should-retry"]) == (429, "false")
        assert msgspec.json.decode(body)["error"]["code"] == "insufficient_quota"
        assert (await of(counters, "usd")).held == 0


async def test_how_a_client_stands_is_told_on_success_and_on_refusal() -> None:
    stages: list[LimitStage] = [
        RateLimit(RateLimitConfig(requests_per_minute=2, tokens_per_minute=100_000)),
        Budget(BudgetConfig(usd=1)),
    ]
    async with limited(*HELLO, stages=stages) as (home, _):
        answers: list[Any] = [await home.ask(path, stream=True) for path in ("/responses", "/chat/completions")]
        answers.append(await home.ask())
        assert [status for status, _, _ in answers] == [200, 200, 429]
        units = ("requests", "tokens")
        names = [f"x-ratelimit-{what}-{unit}" for what in ("limit", "remaining", "reset") for unit in units]
        for _, headers, _ in answers:
            assert [name for name in names if name not in headers] == []
        assert [headers["x-ratelimit-remaining-requests"] for _, headers, _ in answers] == ["1", "0", "0"]
        assert int(answers[2][1]["retry-after"]) >= 55
