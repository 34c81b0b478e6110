"""One suite for every implementation of counters, on a clock of its own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.counters import (
    Counters,
    CounterState,
    Demand,
    Grant,
    Limit,
    LocalCounters,
    SharedCounters,
)
from proxy.counters.periods import Period
from proxy.counters.redis_counters import RedisCounters, RedisSettings
from tests.support.redis_server import RedisServer, redis_server

Make = Callable[[Callable[[], float]], Awaitable[Counters]]
REQUESTS = Limit(unit="requests", most=3, window_s=60)
TOKENS = Limit(unit="tokens", most=1000, window_s=60)
PARALLEL = Limit(unit="parallel", most=2)
MONEY = Limit(unit="usd", most=2_000_000_000, window_s=86400)


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as one:
        yield one


@pytest.fixture(params=["local", "shared", "redis"])
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    made: list[Counters] = []

    async def new(clock: Callable[[], float]) -> Counters:
        counters: Counters
        if request.param == "local":
            counters = LocalCounters(clock)
        elif request.param == "shared":
            counters = SharedCounters(str(tmp_path / f"counters{len(made)}"), rows=64, clock=clock)
        else:
            url = request.getfixturevalue("server").url
            chosen = RedisSettings(url=url, prefix=secrets.token_hex(4), timeout_s=10, lease_s=1e6, on_failure="closed")
            counters = RedisCounters(chosen, LocalCounters(), clock)
        await counters.start()
        made.append(counters)
        return counters

    yield new
    for counters in made:
        await counters.close()


def ask(counters: Counters, *wanted: tuple[Limit, int], who: str = "a") -> Awaitable[Grant]:
    return counters.reserve([Demand(f"{who} {limit.unit}", limit, amount) for limit, amount in wanted])


async def state(counters: Counters, unit: str, who: str = "a") -> CounterState:
    return next(one for one in await counters.snapshot() if one.counter == f"{who} {unit}")


def unix(*date: int) -> float:
    return datetime(*date, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("period", "moments"),
    [
        ("day", [unix(2026, 2, 28), unix(2026, 3, 1), unix(2026, 3, 2)]),
        ("week", [unix(2026, 12, 28), unix(2027, 1, 4), unix(2027, 1, 11)]),
        ("month", [unix(2024, 2, 1), unix(2024, 3, 1), unix(2024, 4, 1)]),
        ("month", [unix(2026, 12, 1), unix(2027, 1, 1), unix(2027, 2, 1), unix(2027, 3, 1)]),
    ],
)
async def test_a_period_of_the_calendar_begins_anew_with_its_first_moment(
    make: Make, period: Period, moments: list[float]
) -> None:
    clock = Clock()
    counters = await make(clock)
    money = Limit(unit="usd", most=10, window_s=86400, period=period)
    for begins, ends in pairwise(moments):
        clock.now = begins
        first = await ask(counters, (money, 4))
        assert (first.refused, first.standings[0].reset_s) == (None, ends - begins)
        clock.now = (begins + ends) / 2
        await counters.settle(first, [10])
        found = await state(counters, "usd")
        assert (found.used, found.held, found.period, found.window_s) == (10, 0, period, 0.0)
        clock.now = ends - 1
        second = await ask(counters, (money, 1))
        assert (second.refused, second.standings[0].retry_after_s) == (0, 1.0)
    clock.now = moments[-1]
    running = await ask(counters, (money, 6))
    assert running.refused is None
    clock.now += 8 * 86400
    assert (await ask(counters, (money, 6))).refused == 0, "what is held is so in every period"
    await counters.settle(running, [6])
    assert (await state(counters, "usd")).used == 6, "and counts in that in which it is known"


async def test_a_window_may_be_longer_than_anybody_lives(make: Make) -> None:
    counters = await make(Clock())
    ever = Limit(unit="tokens", most=10, window_s=1e15)
    grants = [await ask(counters, (ever, 4)) for _ in range(3)]
    assert [grant.refused for grant in grants] == [None, None, 0]
    await counters.settle(grants[0], [3])
    one = await state(counters, "tokens")
    assert (one.used, one.held) == (3, 4)


async def test_the_limit_is_the_limit(make: Make) -> None:
    counters = await make(Clock())
    grants = [await ask(counters, (REQUESTS, 1)) for _ in range(5)]
    assert [(grant.refused, grant.standings[0].remaining) for grant in grants] == [
        (None, 2), (None, 1), (None, 0), (0, 0), (0, 0)
    ]  # fmt: skip
    assert (await ask(counters, (REQUESTS, 1), who="b")).refused is None


async def test_waiting_as_long_as_told_helps(make: Make) -> None:
    clock = Clock()
    counters = await make(clock)
    limit = Limit(unit="requests", most=2, window_s=60)
    await ask(counters, (limit, 1))
    clock.now += 20
    await ask(counters, (limit, 1))
    refused = (await ask(counters, (limit, 1))).standings[0]
    assert refused.retry_after_s is not None
    assert 40 <= refused.retry_after_s <= 42
    assert 60 <= refused.reset_s <= 62
    clock.now += refused.retry_after_s - 0.01
    assert (await ask(counters, (limit, 1))).refused == 0
    clock.now += 0.02
    granted = await ask(counters, (limit, 1))
    assert (granted.refused, granted.standings[0].remaining) == (None, 0)


async def test_places_come_back_once(make: Make) -> None:
    counters = await make(Clock())
    first, second, third = [await ask(counters, (PARALLEL, 1)) for _ in range(3)]
    assert (third.refused, third.standings[0].retry_after_s) == (0, None)
    await counters.settle(third, [0])
    assert (await ask(counters, (PARALLEL, 1))).refused == 0
    await counters.settle(first, [0])
    await counters.settle(first, [0])
    assert (await ask(counters, (PARALLEL, 1))).refused is None
    assert (await ask(counters, (PARALLEL, 1))).refused == 0
    await counters.settle(second, [0])


async def test_8_1_what_may_be_needed_is_reserved_at_once(make: Make) -> None:
    counters = await make(Clock())
    grants = [await ask(counters, (TOKENS, 300)) for _ in range(10)]
    assert [grant.refused for grant in grants] == [None] * 3 + [0] * 7
    assert grants[0].standings[0].reset_s == 60
    for grant in grants[:3]:
        await counters.settle(grant, [100])
        await counters.settle(grant, [100])
    now = await state(counters, "tokens")
    assert (now.used, now.held, now.most, now.window_s) == (300, 0, 1000, 60)
    assert (await ask(counters, (TOKENS, 700))).refused is None


async def test_what_cost_nothing_gives_all_back_and_more_than_reserved_counts(make: Make) -> None:
    counters = await make(Clock())
    for used in (0, 2_500_000_000):
        grant = await ask(counters, (MONEY, 1_500_000_000), (REQUESTS, 1))
        assert grant.refused is None
        await counters.settle(grant, [used, 1])
        assert (await state(counters, "usd")).used == used
    assert (await ask(counters, (MONEY, 0))).refused == 0, "nothing is left, not even for what is free"
    assert (await state(counters, "requests")).used == 2


async def test_all_limits_or_none(make: Make) -> None:
    counters = await make(Clock())
    whole = ((REQUESTS, 1), (TOKENS, 600), (PARALLEL, 1), (MONEY, 10))
    first = await ask(counters, *whole)
    assert first.refused is None
    second = await ask(counters, *whole)
    assert second.refused == 1
    assert [stand.remaining for stand in second.standings] == [2, 400, 1, 2_000_000_000 - 10]
    assert (await state(counters, "requests")).used == 1
    await counters.settle(first, [0, 0, 0, 0])
    for unit in ("requests", "tokens", "parallel", "usd"):
        now = await state(counters, unit)
        assert (now.used, now.held, now.holders) == (0, 0, ())


async def test_holders_are_shown(make: Make) -> None:
    counters = await make(Clock())
    grant = await ask(counters, (TOKENS, 300), (PARALLEL, 1))
    now = await state(counters, "tokens")
    assert (now.held, [one.amount for one in now.holders]) == (300, [300])
    assert (await state(counters, "parallel")).window_s == 0
    await counters.settle(grant, [1, 0])


async def test_8_6_a_window_that_has_passed_is_another_one(make: Make) -> None:
    clock = Clock()
    counters = await make(clock)
    await counters.settle(await ask(counters, (MONEY, 10)), [2_000_000_000])
    for _ in range(50):  # refused retries renew nothing
        assert (await ask(counters, (MONEY, 10))).refused == 0
        clock.now += 86400 / 50
    clock.now += 86400 / 30
    assert (await ask(counters, (MONEY, 2_000_000_000))).refused is None


STEPS = st.lists(
    st.one_of(st.floats(0, 45), st.tuples(st.just("take"), st.sampled_from("ab")), st.integers(0, 30)), max_size=50
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(steps=STEPS, requests=st.integers(1, 6), parallel=st.integers(1, 4))
async def test_never_more_than_the_limit_in_any_window(
    make: Make, steps: list[float | tuple[str, str] | int], requests: int, parallel: int
) -> None:
    clock = Clock()
    counters = await make(clock)
    limit, places = Limit(unit="requests", most=requests, window_s=60), Limit(unit="parallel", most=parallel)
    moments: dict[str, list[float]] = {"a": [], "b": []}
    running: list[tuple[str, Grant]] = []
    for step in steps:
        if isinstance(step, float):
            clock.now += step
        elif isinstance(step, int):
            if running:
                await counters.settle(running.pop(step % len(running))[1], [1, 0])
        else:
            name = step[1]
            grant = await ask(counters, (limit, 1), (places, 1), who=name)
            busy = sum(other == name for other, _ in running)
            recent = [moment for moment in moments[name] if moment > clock.now - 60]
            if grant.refused is None:
                assert busy < parallel
                assert len(recent) < requests
                moments[name].append(clock.now)
                running.append((name, grant))
            elif grant.refused == 1:
                assert busy == parallel
            else:
                # a request counts for up to one slot of two seconds longer than the window
                assert len([moment for moment in moments[name] if moment > clock.now - 62.001]) >= requests
    for _, grant in running:
        await counters.settle(grant, [1, 0])
    clock.now += 100
    for name in ("a", "b"):
        grants = [await ask(counters, (limit, 1), (places, 1), who=name) for _ in range(min(requests, parallel))]
        assert all(grant.refused is None for grant in grants)
