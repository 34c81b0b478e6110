"""Which stages decide together."""

from __future__ import annotations

from proxy.counters import LocalCounters
from proxy.limiting.budget_config import BudgetConfig
from proxy.limiting.stage import Admitted, join_neighbours
from proxy.stage import Stage
from stages.budget import Budget
from stages.log import Log
from stages.rate_limit import RateLimit, RateLimitConfig
from stages.route import Route
from tests.support.drive import exchange_of


async def test_only_neighbours_join_and_observers_do_not_stand_between() -> None:
    limits = [RateLimit(RateLimitConfig(requests=1, name=str(number))) for number in range(4)]
    stages: list[Stage] = [limits[0], Log(), limits[1], Route(), limits[2], limits[3]]
    join_neighbours(stages)
    decided = []
    for stage in limits:
        await stage.on_request(exchange_of())
        decided.append(len(await stage.counters.snapshot()))
    assert decided == [2, 0, 2, 0]


async def test_a_stage_without_a_claim_lets_everything_pass() -> None:
    stage = Budget(BudgetConfig(usd_per_response=1, unpriced="allow"))
    await stage.start()
    assert await stage.on_request(exchange_of()) is None


class Waiting(LocalCounters):
    """Counters that have to be waited for."""

    settles_at_once = False


async def test_only_those_who_wait_for_counters_need_a_task_at_the_end() -> None:
    stage = RateLimit(RateLimitConfig(requests=1))
    for number, counters in enumerate((LocalCounters(), Waiting())):
        stage.counters = counters
        admitted = await stage.on_request(exchange_of())
        assert isinstance(admitted, Admitted)
        assert admitted.ends_at_once == (number == 0)
