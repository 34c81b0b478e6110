"""What is reserved of a budget when attempts cost more than was thought at first."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from proxy.counters import LocalCounters
from proxy.errors import BadRequest, RateLimited
from proxy.exchange import Attempt, Exchange, Key, pass_gates
from proxy.limiting.budget_config import BudgetConfig
from proxy.limiting.stage import REFUSED_BY, Admitted
from proxy.models import ModelTable
from proxy.pricing.book import PriceBook
from proxy.pricing.own import OwnPrice
from proxy.pricing.rates import rate_card
from proxy.providers.provider import Deployment
from stages.budget import Budget
from tests.support.drive import asking, exchange_of
from tests.support.scripted import ScriptedProvider

CHEAP, DEAR, UNPRICED = (Deployment(ScriptedProvider(name=name), "m") for name in ("cheap", "dear", "odd"))
BOOK = PriceBook(
    [
        OwnPrice("c", 1, rate_card({"input": 1_000_000, "output": 2_000_000}), ("cheap/m",)),
        OwnPrice("d", 2, rate_card({"input": 10_000_000, "output": 20_000_000}), ("dear/m",)),
    ]
)


async def budgeting(**config: Any) -> Budget:
    stage = Budget(BudgetConfig(**config))
    stage.counters, stage.prices = LocalCounters(lambda: 6000.0), BOOK
    await stage.start()
    return stage


def asked(**fields: Any) -> Exchange:
    """Returns an exchange that costs $0.001 at most on what is cheap, and $0.01 on what is dear."""
    exchange = exchange_of(asking("x" * 372, **{"max_output_tokens": 450, **fields}), key=Key("a"))
    exchange.models = ModelTable({"m": [CHEAP]})
    return exchange


async def admitted(stage: Budget, exchange: Exchange) -> Admitted:
    found = await stage.on_request(exchange)
    assert isinstance(found, Admitted)
    return found


async def standing(stage: Budget) -> tuple[int, int]:
    """Returns what is used and what is held, in thousandths of a cent."""
    (state,) = await stage.counters.snapshot()
    return state.used // 10_000, state.held // 10_000


async def attempt(exchange: Exchange, *deployments: Deployment, cost: str | None = None) -> None:
    """Begins an attempt, and has it cost something."""
    await pass_gates(exchange, *deployments)
    exchange.attempts.append(Attempt(deployments[0].provider.name, "m", 0.0))
    if cost is not None:
        exchange.cost = (exchange.cost or Decimal(0)) + Decimal(cost)


async def test_a_dearer_attempt_reserves_more_and_all_is_settled_by_what_was_used() -> None:
    stage = await budgeting(usd=1)
    exchange = asked()
    one = await admitted(stage, exchange)
    assert await standing(stage) == (0, 100)
    await attempt(exchange, CHEAP)
    assert await standing(stage) == (0, 100), "what was asked for is paid"
    await attempt(exchange, CHEAP)
    assert await standing(stage) == (0, 100), "a retry behind what cost nothing, too"
    await attempt(exchange, DEAR, cost="0.004")
    assert await standing(stage) == (0, 1000)
    await attempt(exchange, CHEAP, cost="0.0005")
    assert await standing(stage) == (0, 1000), "there is enough for another cheap one"
    await attempt(exchange, DEAR, CHEAP)
    assert await standing(stage) == (0, 450 + 1000 + 100), "two at the same time, and what was paid"
    await one.on_end(exchange)
    await one.on_end(exchange)
    assert await standing(stage) == (450, 0)


async def test_an_attempt_that_the_budget_has_no_room_for_is_not_made() -> None:
    stage = await budgeting(usd=0.009)
    exchange = asked()
    one = await admitted(stage, exchange)
    with pytest.raises(RateLimited, match="The budget of your API key is used up") as found:
        await attempt(exchange, DEAR)
    assert found.value.code == "insufficient_quota"
    assert exchange.marks[REFUSED_BY].stage == "budget"
    assert await standing(stage) == (0, 100), "and holds nothing"
    await attempt(exchange, CHEAP, cost="0.0005")
    assert REFUSED_BY not in exchange.marks, "another one was made"
    await one.on_end(exchange)
    assert await standing(stage) == (50, 0)


async def test_two_budgets_above_each_other_both_have_to_have_it() -> None:
    first, second = await budgeting(usd=1), await budgeting(usd=0.005, name="tight")
    second.counters = first.counters
    first.join(second)
    exchange = asked()
    one = await admitted(first, exchange)
    with pytest.raises(RateLimited, match=r"\$0\.005"):
        await attempt(exchange, DEAR)
    assert [state.held for state in await first.counters.snapshot()] == [1_000_000] * 2
    await one.on_end(exchange)
    assert [state.held for state in await first.counters.snapshot()] == [0, 0]


async def test_an_assumed_length_keeps_nobody_from_what_is_left() -> None:
    stage = await budgeting(usd=0.002, assume_output=450)
    exchange = asked(max_output_tokens=None)
    one = await admitted(stage, exchange)
    await attempt(exchange, DEAR)
    assert await standing(stage) == (0, 200), "all that there is"
    await one.on_end(exchange)


async def test_what_has_no_price_is_refused_as_a_fallback_too() -> None:
    stage = await budgeting(usd=1)
    exchange = asked()
    await admitted(stage, exchange)
    with pytest.raises(BadRequest, match="is not known"):
        await attempt(exchange, UNPRICED)
    stage = await budgeting(usd=1, unpriced="allow", assume_usd=0.02)
    exchange = asked()
    await admitted(stage, exchange)
    await attempt(exchange, UNPRICED)
    assert await standing(stage) == (0, 2000)


@pytest.mark.parametrize("config", [{}, {"usd": 1}])
async def test_a_response_may_not_cost_more_on_a_fallback(config: dict[str, Any]) -> None:
    stage = await budgeting(usd_per_response=0.002, **config)
    exchange = asked(max_output_tokens=900)
    await stage.on_request(exchange)
    assert exchange.request.get("max_output_tokens") == 900
    original, exchange.request = exchange.request, exchange.request.copy()
    await attempt(exchange, DEAR)
    assert exchange.request.get("max_output_tokens") == 50
    assert original.get("max_output_tokens") == 900, "the next attempt begins anew"


async def test_below_route_each_attempt_is_for_its_own_deployment() -> None:
    stage = await budgeting(usd=1)
    exchange = asked()
    exchange.deployment = DEAR
    exchange.attempts.append(Attempt("dear", "m", 0.0))
    await admitted(stage, exchange)
    assert await standing(stage) == (0, 1000)
    assert exchange.gates == ()
