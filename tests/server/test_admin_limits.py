"""What `GET /admin/limits` shows."""

from __future__ import annotations

import msgspec

from proxy.counters import Demand, Limit, LocalCounters
from proxy.limiting.budget_config import BudgetConfig
from proxy.server.admin_limits import limit_routes
from stages.budget import Budget
from stages.log import Log
from stages.rate_limit import RateLimit, RateLimitConfig


async def test_every_counter_is_shown_once_with_who_holds_what() -> None:
    counters = LocalCounters(lambda: 6000.0)
    stages = [RateLimit(RateLimitConfig(requests=1)), Budget(BudgetConfig(usd=1))]
    for stage in stages:
        stage.counters = counters
    money = Demand("budget", Limit(unit="usd", most=2_500_000_000, window_s=60), 500_000_000)
    await counters.settle(await counters.reserve([money]), [1_250_000_000])
    await counters.reserve([money, Demand("a place", Limit(unit="parallel", most=3), 1)])
    reply = await limit_routes([Log(), *stages])["/admin/limits"]["GET"](None)  # type: ignore[arg-type]
    shown = msgspec.json.decode(reply.body)
    assert shown["object"] == "list"
    place, budget = shown["data"]
    who = budget["holders"][0]["who"]
    assert budget == {
        "counter": "budget",
        "unit": "usd",
        "limit": 2.5,
        "window_s": 60,
        "period": None,
        "used": 1.25,
        "held": 0.5,
        "remaining": 0.75,
        "holders": [{"who": who, "amount": 0.5}],
    }
    assert (place["limit"], place["held"], place["window_s"]) == (3, 1, None)
