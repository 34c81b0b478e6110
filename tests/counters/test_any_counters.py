"""One suite for every implementation of counters, on a clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.counters import Counters, Grant, Limits, LocalCounters, SharedCounters

Make = Callable[[Callable[[], float]], Counters]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["local", "shared"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    made: list[Counters] = []

    def new(clock: Callable[[], float]) -> Counters:
        path = tmp_path / f"counters{len(made)}"
        made.append(
            LocalCounters(clock) if request.param == "local" else SharedCounters(str(path), rows=64, clock=clock)
        )
        return made[-1]

    yield new
    for counters in made:
        counters.close()


async def test_the_limit_is_the_limit(make: Make) -> None:
    clock = Clock()
    counters = make(clock)
    limits = Limits(requests=3, window_s=60)
    grants = [await counters.take("a", limits) for _ in range(5)]
    assert [(grant.refused_by, grant.remaining) for grant in grants] == [
        (None, 2), (None, 1), (None, 0), ("requests", 0), ("requests", 0)
    ]  # fmt: skip
    assert (await counters.take("b", limits)).refused_by is None


async def test_waiting_as_long_as_told_helps(make: Make) -> None:
    clock = Clock()
    counters = make(clock)
    limits = Limits(requests=2, window_s=60)
    await counters.take("a", limits)
    clock.now += 20
    await counters.take("a", limits)
    refused = await counters.take("a", limits)
    assert 40 <= refused.retry_after_s <= 42
    assert 60 <= refused.reset_s <= 62
    clock.now += refused.retry_after_s - 0.01
    assert (await counters.take("a", limits)).refused_by == "requests"
    clock.now += 0.02
    granted = await counters.take("a", limits)
    assert (granted.refused_by, granted.remaining) == (None, 0)


async def test_parallel_slots_come_back_once(make: Make) -> None:
    counters = make(Clock())
    limits = Limits(parallel=2)
    first, second = await counters.take("a", limits), await counters.take("a", limits)
    third = await counters.take("a", limits)
    assert (third.refused_by, third.retry_after_s) == ("parallel", 1.0)
    await counters.release(third)
    assert (await counters.take("a", limits)).refused_by == "parallel"
    await counters.release(first)
    await counters.release(first)
    assert (await counters.take("a", limits)).refused_by is None
    assert (await counters.take("a", limits)).refused_by == "parallel"
    await counters.release(second)


async def test_a_refused_request_takes_nothing(make: Make) -> None:
    counters = make(Clock())
    limits = Limits(requests=2, parallel=1)
    held = await counters.take("a", limits)
    for _ in range(5):
        assert (await counters.take("a", limits)).refused_by == "parallel"
    await counters.release(held)
    granted = await counters.take("a", limits)
    assert (granted.refused_by, granted.remaining) == (None, 0)
    await counters.release(granted)
    assert (await counters.take("a", limits)).refused_by == "requests"
    assert (await counters.take("a", Limits(parallel=1))).refused_by is None


STEPS = st.lists(
    st.one_of(st.floats(0, 45), st.tuples(st.just("take"), st.sampled_from("ab")), st.integers(0, 30)), max_size=80
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS, requests=st.integers(1, 6), parallel=st.integers(1, 4))
async def test_never_more_than_the_limit_in_any_window(
    make: Make, steps: list[float | tuple[str, str] | int], requests: int, parallel: int
) -> None:
    clock = Clock()
    counters = make(clock)
    limits = Limits(requests=requests, parallel=parallel, window_s=60)
    moments: dict[str, list[float]] = {"a": [], "b": []}
    running: list[tuple[str, Grant]] = []
    for step in steps:
        if isinstance(step, float):
            clock.now += step
        elif isinstance(step, int):
            if running:
                await counters.release(running.pop(step % len(running))[1])
        else:
            name = step[1]
            grant = await counters.take(name, limits)
            busy = sum(other == name for other, _ in running)
            recent = [moment for moment in moments[name] if moment > clock.now - 60]
            if grant.refused_by is None:
                assert busy < parallel
                assert len(recent) < requests
                moments[name].append(clock.now)
                running.append((name, grant))
            elif grant.refused_by == "parallel":
                assert busy == parallel
            else:
                # a request counts for up to one slot of two seconds longer than the window
                assert len([moment for moment in moments[name] if moment > clock.now - 62.001]) >= requests
    for _, grant in running:
        await counters.release(grant)
    clock.now += 100
    for name in ("a", "b"):
        grants = [await counters.take(name, limits) for _ in range(min(requests, parallel))]
        assert all(grant.refused_by is None for grant in grants)
