"""What may be spent: reserved at worst, settled as it was, and never beyond."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from proxy.counters import CounterState, LocalCounters
from proxy.errors import BadRequest, RateLimited
from proxy.events import Event, Finish, ReasoningDelta, TextDelta, ToolCallDelta, UpstreamFailed
from proxy.exchange import Attempt, Exchange, Key
from proxy.limiting.budget_config import BudgetConfig, WindowBudget
from proxy.limiting.meter import Metered
from proxy.limiting.spending import Spending
from proxy.limiting.stage import Admitted
from proxy.limiting.window import Window
from proxy.models import ModelTable
from proxy.pricing.book import PriceBook
from proxy.pricing.own import OwnPrice
from proxy.pricing.rates import rate_card
from proxy.providers.provider import Deployment
from proxy.reply import Reply
from stages.budget import Budget
from tests.support.drive import asking, chatting, exchange_of
from tests.support.scripted import ScriptedProvider

PRICED = OwnPrice("m", 1, rate_card({"input": 1_000_000, "output": 2_000_000}), ("p/m",))
DOLLAR_A_MILLION = PriceBook([PRICED])


async def budgeting(**config: Any) -> Budget:
    """Returns a budget for models whose input costs $1 for a million tokens, and output $2."""
    stage = Budget(BudgetConfig(**config))
    stage.counters, stage.prices = LocalCounters(lambda: 6000.0), DOLLAR_A_MILLION
    await stage.start()
    return stage


def asked(request: Any = None, *, key: Key | None = None, model: str = "m") -> Exchange:
    exchange = exchange_of(request or asking("x" * 372), key=key or Key("a", team="red"))
    exchange.models = ModelTable({"m": [Deployment(ScriptedProvider(name="p"), model)]})
    return exchange


async def admit(stage: Budget, exchange: Exchange) -> Admitted:
    admitted = await stage.on_request(exchange)
    assert isinstance(admitted, Admitted)
    return admitted


async def counted(stage: Budget) -> CounterState:
    return (await stage.counters.snapshot())[0]


async def test_8_4_a_burst_cannot_overrun_it() -> None:
    stage = await budgeting(usd=0.01)
    every = [asked(asking("x" * 372, max_output_tokens=450)) for _ in range(50)]  # $0.001 each at most
    results = await asyncio.gather(*map(stage.on_request, every))
    admitted = [one for one in results if isinstance(one, Admitted)]
    assert len(admitted) == 10
    for one, exchange in zip(admitted, every, strict=False):
        exchange.cost = Decimal("0.0004")
        await one.on_end(exchange)
        await one.on_end(exchange)
    state = await counted(stage)
    assert (state.used, state.held, state.unit) == (4_000_000, 0, "usd")


async def test_8_5_what_cost_nothing_gives_everything_back() -> None:
    stage = await budgeting(usd=0.001)
    for _ in range(20):
        exchange = asked()
        await (await admit(stage, exchange)).on_end(exchange)
    assert (await counted(stage)).used == 0
    exchange = asked()
    admitted = await admit(stage, exchange)
    exchange.attempts.append(Attempt("p", "m", 0.0))
    exchange.cost = Decimal("0.00099")
    await admitted.on_end(exchange)
    refused = await stage.on_request(asked(asking("hi", max_output_tokens=100)))
    assert isinstance(refused, Reply)
    assert refused.error is not None
    assert (refused.status, refused.error.code, refused.headers["x-should-retry"]) == (
        429, "insufficient_quota", "false",
    )  # fmt: skip
    assert b"The budget of your API key is used up: $0.001 in 30d." in refused.body


async def test_whose_budget_it_is() -> None:
    stage = await budgeting(usd=0.001, per="team", assume_output=400)
    await admit(stage, asked())
    assert isinstance(
        await stage.on_request(asked(asking("x" * 372, max_output_tokens=400), key=Key("b", team="red"))), Reply
    )
    await admit(stage, asked(key=Key("b", team="blue")))


async def test_several_windows() -> None:
    stage = await budgeting(usd=1, limits=(WindowBudget(usd=0.0005, window=Window(3600)),))
    refused = await stage.on_request(asked(asking("hi", max_output_tokens=300)))
    assert isinstance(refused, Reply)
    assert b"This request may cost $0.000608" in refused.body
    assert b"$0.0005 in 1h" in refused.body


async def test_what_one_response_may_cost_bounds_its_length() -> None:
    stage = await budgeting(usd_per_response=0.001)
    exchange = asked()
    assert await stage.on_request(exchange) is None
    assert exchange.request.get("max_output_tokens") == 450
    short = asked(asking("x" * 372, max_output_tokens=30))
    assert await stage.on_request(short) is None
    assert short.request.get("max_output_tokens") == 30
    chat = asked(chatting("x" * 384, max_tokens=10_000, n=2))
    assert await stage.on_request(chat) is None
    assert chat.request.get("max_tokens") == 225
    with pytest.raises(RateLimited, match=r"costs more than a response may: \$0\.001") as found:
        await stage.on_request(asked(asking("x" * 4000)))
    assert found.value.code == "insufficient_quota"


async def test_a_model_without_a_price_is_refused_unless_the_file_lets_it_pass() -> None:
    stage = await budgeting(usd=1)
    stage.prices = PriceBook()
    await stage.start()
    with pytest.raises(BadRequest, match="What the model 'm' costs is not known") as found:
        await stage.on_request(asked())
    assert found.value.code == "model_without_price"
    stage = await budgeting(usd=1, unpriced="allow", assume_usd=0.25)
    stage.prices = PriceBook()
    await stage.start()
    await admit(stage, asked())
    assert (await counted(stage)).held == 250_000_000


def words(tokens: int) -> list[Event]:
    """Returns events of so many tokens, of all kinds that cost."""
    third = "x" * (tokens * 4 // 3)
    return [TextDelta(third), ReasoningDelta(third), ToolCallDelta(0, "x" * (tokens * 4 - 2 * len(third)))]


async def test_a_stream_that_outgrows_the_budget_is_cut() -> None:
    stage = await budgeting(usd=0.002, in_flight="cut", assume_output=400)
    exchange = asked(asking("x" * 372, stream=True))
    meter = await admit(stage, exchange)
    assert isinstance(meter, Metered)
    assert meter.on_events(exchange, words(350)) == words(350)
    assert (await counted(stage)).held == 900_000
    meter.on_events(exchange, words(100))
    await asyncio.sleep(0)
    assert (await counted(stage)).held == 1_800_000, "reserved as much again, for what was said too"
    assert meter.on_events(exchange, words(420)) == words(420)
    await asyncio.sleep(0)
    (end,) = meter.on_events(exchange, words(10))
    assert isinstance(end, UpstreamFailed)
    assert (end.error.code, end.error.status) == ("insufficient_quota", 429)
    exchange.cost = Decimal("0.0018")
    await meter.on_end(exchange)
    await meter.on_end(exchange)
    state = await counted(stage)
    assert (state.used, state.held) == (1_800_000, 0)


@pytest.mark.parametrize("tight", [0, 1], ids=["above", "below"])
async def test_of_two_budgets_either_cuts_a_stream(tight: int) -> None:
    usd = [1.0, 1.0]
    usd[tight] = 0.002
    first = await budgeting(usd=usd[0], in_flight="cut", assume_output=400)
    second = await budgeting(per="team", usd=usd[1], in_flight="cut", assume_output=300)
    second.counters = first.counters
    first.join(second)
    exchange = asked(asking("x" * 372, stream=True))
    meter = await admit(first, exchange)
    for _ in range(2):
        meter.on_events(exchange, words(450))
        await asyncio.sleep(0)
    (end,) = meter.on_events(exchange, words(10))
    assert isinstance(end, UpstreamFailed)
    exchange.cost = Decimal("0.0019")
    await meter.on_end(exchange)
    assert [(one.used, one.held) for one in await first.counters.snapshot()] == [(1_900_000, 0)] * 2


async def test_the_end_of_a_stream_waits_for_what_was_asked_for() -> None:
    stage = await budgeting(usd=1, in_flight="cut", assume_output=10)
    exchange = asked(asking(stream=True))
    meter = await admit(stage, exchange)
    events: list[Event] = [*words(100), Finish()]
    assert meter.on_events(exchange, events) is events
    await meter.on_end(exchange)
    state = await counted(stage)
    assert (state.used, state.held) == (0, 0)


@pytest.mark.parametrize(
    ("config", "request_fields"),
    [
        ({}, {"stream": True}),
        ({"in_flight": "cut"}, {}),
        ({"in_flight": "cut"}, {"stream": True, "max_output_tokens": 5}),
    ],
)
async def test_a_stream_is_watched_only_where_it_may_be_cut(config: dict[str, Any], request_fields: Any) -> None:
    stage = await budgeting(usd=1, **config)
    assert type(await admit(stage, asked(asking(**request_fields)))) is Spending


@pytest.mark.parametrize("ask", [asking, chatting])
async def test_a_request_that_will_be_refused_gives_back_what_was_reserved(ask: Any) -> None:
    stage = await budgeting(usd=1)
    exchange = asked(ask("x", stream=[]))
    admitted = await admit(stage, exchange)
    assert (await counted(stage)).held
    await admitted.on_end(exchange)
    state = await counted(stage)
    assert (state.used, state.held) == (0, 0)


async def test_what_asks_for_no_answer_costs_nothing_but_needs_a_budget() -> None:
    stage = await budgeting(usd=0.001)
    counting = asked()
    counting.counting = True
    admitted = await admit(stage, counting)
    assert (await counted(stage)).held == 0
    counting.cost = Decimal("0.001")
    await admitted.on_end(counting)
    again = asked()
    again.counting = True
    assert isinstance(await stage.on_request(again), Reply)


def test_money_is_counted_exactly() -> None:
    stage = Budget(BudgetConfig(usd=0.1, limits=(WindowBudget(usd=0.3, window=Window(60)),)))
    assert [rule.limit.most for rule in stage._rules] == [100_000_000, 300_000_000]
    assert msgspec.json.encode(stage._rules[0].limit.most) == b"100000000"
