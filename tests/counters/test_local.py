"""Counters of one process: bounded memory."""

from __future__ import annotations

from proxy.counters import Demand, Grant, Limit, LocalCounters

ONE = Limit(unit="requests", most=1, window_s=60)
PLACE = Limit(unit="parallel", most=1)


async def ask(counters: LocalCounters, name: str, *limits: Limit) -> Grant:
    return await counters.reserve([Demand(f"{name} {limit.unit}", limit, 1) for limit in limits])


async def test_the_number_of_counters_is_bounded() -> None:
    counters = LocalCounters(lambda: 1000.0, most=10)
    running = await ask(counters, "running", PLACE)
    for number in range(100):
        await counters.settle(await ask(counters, str(number), ONE), [1])
    assert len(await counters.snapshot()) == 10
    assert (await ask(counters, "running", PLACE)).refused == 0, "a counter of which something is held was lost"
    await counters.settle(running, [0])
    assert (await ask(counters, "running", PLACE)).refused is None


async def test_when_all_are_held_the_oldest_is_forgotten_and_its_end_harms_nobody() -> None:
    counters = LocalCounters(lambda: 1000.0, most=3)
    grants = [await ask(counters, str(number), PLACE) for number in range(5)]
    assert (await ask(counters, "0", PLACE)).refused is None
    await counters.settle(grants[0], [0])
    assert (await ask(counters, "0", PLACE)).refused == 0, "the place of a forgotten row was another one's"
