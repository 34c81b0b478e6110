"""What the scripts leave in Redis: bounded, with an end, under one hash tag."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from proxy.counters import Demand, Limit, LocalCounters, cells
from proxy.counters.periods import PERIODS
from proxy.counters.redis_counters import RedisCounters, RedisSettings
from proxy.counters.redis_scripts import _BEGIN
from tests.support.redis_server import redis_server

TOKENS = Limit(unit="tokens", most=10**15, window_s=60)
REQUESTS = Limit(unit="requests", most=1000, window_s=60)


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    with redis_server() as server:
        client = Redis.from_url(server.url, decode_responses=True)
        yield client
        await client.aclose()


def counting(redis: Redis, now: list[float], **settings: float) -> RedisCounters:
    kwargs = redis.connection_pool.connection_kwargs
    chosen = RedisSettings(url=f"redis://{kwargs['host']}:{kwargs['port']}", timeout_s=10, **settings)
    return RedisCounters(chosen, LocalCounters(), lambda: now[0])


async def test_everything_has_an_end_and_one_hash_tag(redis: Redis) -> None:
    now = [1_700_000_000.0]
    counters = counting(redis, now)
    await counters.start()
    grant = await counters.reserve([Demand("a", TOKENS, 10**14 + 7), Demand("b", REQUESTS, 1)])
    keys = await redis.keys("*")
    assert all(key.startswith("{penstock}:") for key in keys)
    await counters.settle(grant, [10**14 + 9, 1])
    assert [state.used for state in await counters.snapshot() if state.unit == "tokens"] == [10**14 + 9]
    for _ in range(100):
        now[0] += 3
        await counters.settle(await counters.reserve([Demand("a", TOKENS, 1)]), [1])
    left = [key for key in await redis.keys("*") if await redis.pttl(key) < 0]
    assert left == []
    assert await redis.hlen("{penstock}:counter:a") <= 31 + 4
    await counters.close()


async def test_what_a_vanished_host_has_held_is_free_when_its_lease_ends(redis: Redis) -> None:
    now = [1_700_000_000.0]
    vanished, alive = counting(redis, now, lease_s=30), counting(redis, now, lease_s=30)
    await vanished.start()
    await alive.start()
    place = Limit(unit="parallel", most=1)
    lost = await vanished.reserve([Demand("a", place, 1), Demand("b", TOKENS, 500)])
    assert (await alive.reserve([Demand("a", place, 1)])).refused == 0
    now[0] += 31
    kept = await alive.reserve([Demand("a", place, 1)])
    assert kept.refused is None
    assert {state.counter: state.held for state in await alive.snapshot()} == {"a": 1, "b": 0}
    await vanished.settle(lost, [0, 70])  # it was only slow: what it has used counts, what it held is another's
    states = {state.counter: (state.used, state.held) for state in await alive.snapshot()}
    assert states == {"a": (0, 1), "b": (70, 0)}
    for counters in (vanished, alive):
        await counters.close()


async def test_a_lease_that_is_renewed_does_not_end(redis: Redis) -> None:
    now = [1_700_000_000.0]
    counters = counting(redis, now, lease_s=30)
    await counters.start()
    place = Limit(unit="parallel", most=1)
    held = await counters.reserve([Demand("a", place, 1)])
    for _ in range(5):
        now[0] += 20
        await counters.renew()
    assert (await counters.reserve([Demand("a", place, 1)])).refused == 0
    await counters.settle(held, [0])
    assert (await counters.reserve([Demand("a", place, 1)])).refused is None
    await counters.close()


async def test_the_calendar_of_the_scripts_is_that_of_python(redis: Redis) -> None:
    ask = (
        _BEGIN
        + """
    local found = {}
    for at = 2, #ARGV do
      local slot = slot_of(tonumber(ARGV[1]), tonumber(ARGV[at]))
      found[at - 1] = {whole(slot), whole(leaves(tonumber(ARGV[1]), slot))}
    end
    return found
    """
    )
    moments = [day * 86_400_000_000 - before for day in range(-800, 60_000, 37) for before in (0, 1)]
    for place in range(len(PERIODS)):
        wanted = [(slot, cells.leaves_us(~place, slot)) for slot in (cells.slot_of(~place, one) for one in moments)]
        found = await redis.eval(ask, 0, ~place, *moments)
        assert [(int(slot), int(leaves)) for slot, leaves in found] == wanted
