"""Limits and budgets around a whole server: what comes back when clients leave, and what a cut stream looks like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from proxy.config.types import Duration
from proxy.counters import CounterState, Demand, Grant, LocalCounters
from proxy.exchange import Exchange, Key
from proxy.limiting.budget_config import BudgetConfig
from proxy.limiting.estimate import nano_dollars
from proxy.limiting.own import OwnLimits
from proxy.limiting.stage import LimitStage, join_neighbours
from proxy.limiting.window import Window
from proxy.models import ModelTable
from proxy.pipeline import Settings
from proxy.pricing.book import PriceBook
from proxy.pricing.own import OwnPrice
from proxy.pricing.rates import rate_card
from proxy.providers.provider import Deployment
from proxy.routing.config import Fallback, Hedge, Mirror
from proxy.stage import Stage
from stages.budget import Budget
from stages.rate_limit import RateLimit, RateLimitConfig
from stages.route import Route, RouteConfig
from tests.support.grammar import check_stream
from tests.support.house import House, house
from tests.support.scripted import HELLO, ScriptedProvider, Step, body, chunk, events_of, finish, stream

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


class Noticed(LocalCounters):
    """Counters that say when they have refused something."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = asyncio.Event()

    async def reserve(self, demands: Sequence[Demand]) -> Grant:
        grant = await super().reserve(demands)
        if grant.refused is not None:
            self.refused.set()
        return grant


BOOK = PriceBook(
    [
        OwnPrice("c", 1, rate_card({"input": 1_000_000, "output": 2_000_000}), ("cheap/up",)),
        OwnPrice("d", 2, rate_card({"input": 10_000_000, "output": 20_000_000}), ("dear/up",)),
    ]
)


def behind(usd: float, counters: LocalCounters | None = None) -> Budget:
    budget = Budget(BudgetConfig(usd=usd))
    budget.counters, budget.prices = counters or LocalCounters(), BOOK
    return budget


@pytest.mark.parametrize(("usd", "status"), [(0.05, 200), (0.005, 429)])
async def test_a_fallback_is_asked_only_where_the_budget_has_room_for_it(usd: float, status: int) -> None:
    cheap = ScriptedProvider("cheap", body(b"{}", 429))
    dear = ScriptedProvider("dear", stream(*HELLO))
    budget = behind(usd)
    async with house(
        cheap,
        dear,
        stages=[budget],
        route=Route(RouteConfig(retries=1, fallbacks=(Fallback(from_="m", to=("spare",)),))),
        models={"m": [Deployment(cheap, "up")], "spare": [Deployment(dear, "up")]},
        settings=Settings(prices=BOOK),
    ) as home:
        found, headers, data = await home.ask(stream=True, max_output_tokens=1000)
        exchange = await home.settled()
    assert found == status
    assert len(dear.client.requests) == (status == 200)
    assert [one.upstream for one in exchange.attempts] == (["cheap", "dear"] if status == 200 else ["cheap"])
    if status == 429:
        assert b"insufficient_quota" in data
        assert headers["x-should-retry"] == "false"
    money = await of(budget.counters, "usd")  # type: ignore[arg-type]
    assert (money.used, money.held) == (nano_dollars(exchange.cost), 0)


async def test_no_attempt_is_made_beside_another_one_that_the_budget_has_no_room_for() -> None:
    counters, waits = Noticed(), asyncio.Event()
    cheap, other = (ScriptedProvider("cheap", stream(*steps)) for steps in ((waits, *HELLO), HELLO))
    budget = behind(0.003, counters)
    route = Route(RouteConfig(hedge=Hedge(after=Duration(0.01))))
    async with house(cheap, other, stages=[budget], route=route, settings=Settings(prices=BOOK)) as home:
        home.pipeline.models = ModelTable({"m": [Deployment(cheap, "up"), Deployment(other, "up", 0.000001)]})
        asking = asyncio.create_task(home.ask(stream=True, max_output_tokens=1000))
        await asyncio.wait_for(counters.refused.wait(), 10)
        waits.set()
        status, _, _ = await asking
        await home.settled()
    assert status == 200
    assert not other.client.requests
    money = await of(counters, "usd")
    assert money.held == 0


async def test_a_key_has_its_own_budget_where_the_file_only_limits_responses() -> None:
    budget = Budget(BudgetConfig(usd_per_response=0.5))
    key = Key("poor", limits=OwnLimits(usd=0.001, window=Window(3600)))
    async with limited(*HELLO, stages=[budget]) as (home, counters):
        home.pipeline.above = (Keyed(key), *home.pipeline.above)
        first, _, _ = await home.ask(stream=True, max_output_tokens=400)
        second, _, data = await home.ask(stream=True, max_output_tokens=4000)
        assert (first, second) == (200, 429)
        assert b"the budget of your API key is $0.001 in 1h" in data
        assert len(await counters.snapshot()) == 1


class Keyed(Stage):
    """Lets everybody in with one key."""

    name = "keyed"

    def __init__(self, key: Key) -> None:
        super().__init__()
        self.key = key

    async def on_request(self, exchange: Exchange) -> None:
        exchange.key = self.key


async def test_copies_for_a_mirror_are_in_no_limit_wherever_it_stands() -> None:
    main, shadow = ScriptedProvider("p", stream(*HELLO)), ScriptedProvider("shadow", stream(*HELLO))
    stages: list[LimitStage] = [RateLimit(RateLimitConfig(requests=100)), Budget(BudgetConfig(usd=1))]
    for stage in stages:
        stage.prices = PRICES
    join_neighbours(stages)
    async with house(
        main,
        shadow,
        route=Route(RouteConfig(mirror=Mirror(to="shadow"))),
        below=stages,
        models={"m": [Deployment(main, "up")], "shadow": [Deployment(shadow, "up")]},
    ) as home:
        status, _, _ = await home.ask(stream=True)
        await home.settled(2)
        assert status == 200
        assert len(shadow.client.requests) == 1
        requests, money = await stages[0].counters.snapshot()
    assert (requests.used, money.held) == (1, 0)
