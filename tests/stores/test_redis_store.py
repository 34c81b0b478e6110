"""The store in Redis beyond what all stores do: processes that die, servers that go away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from proxy.stores.redis_store import RedisStore
from proxy.stores.store import Entry, StoreFailed, StoreUnavailable
from tests.support.redis_server import RedisServer, redis_server
from tests.support.stored import START, Clock, entry


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    client = Redis.from_url(server.url)
    yield client
    await client.aclose()


async def until_answered(store: RedisStore) -> Entry | None:
    """Returns what there is as soon as the server says."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await store.get("resp_1", "me")
            except StoreUnavailable:
                await asyncio.sleep(0.01)


async def test_what_a_process_leaves_unfinished_is_abandoned(server: RedisServer, redis: Redis) -> None:
    clock = Clock()
    a, b, c = (RedisStore(server.url, clock=clock) for _ in range(3))
    for store in (a, b, c):
        await store.start()
    await a.put(entry("closed", status="in_progress"))
    await b.put(entry("killed", status="queued"))
    await c.put(entry("running", status="in_progress"))
    await a.close()
    assert await c.abandoned() == [entry("closed", status="in_progress")]
    await redis.delete(b._holder_key)  # as it ends a minute after the process that was killed
    assert {one.id for one in await c.abandoned()} == {"closed", "killed"}
    await c.put(entry("killed", status="failed"))
    clock.now = START + 3600
    assert await c.abandoned() == []
    await b.close()
    await c.close()


async def test_who_begins_something_lives_whatever_the_server_has_forgotten(server: RedisServer, redis: Redis) -> None:
    clock = Clock()
    one, other = (RedisStore(server.url, clock=clock) for _ in range(2))
    for store in (one, other):
        await store.start()
    await redis.flushall()
    await one.put(entry("running", status="in_progress"))
    assert await other.abandoned() == []
    await one.close()
    await other.close()


async def test_what_another_process_makes_is_not_deleted_to_come_back(server: RedisServer, redis: Redis) -> None:
    clock = Clock()
    one, other = (RedisStore(server.url, clock=clock) for _ in range(2))
    for store in (one, other):
        await store.start()
    for id in ("finished", "dead", "own"):
        await one.put(entry(id, status="in_progress"))
    with pytest.raises(StoreUnavailable, match="on another host"):
        await other.delete("finished", "me")
    await one.put(entry("finished"))
    assert await other.delete("finished", "me")
    assert await one.delete("own", "me")
    await redis.delete(one._holder_key)
    assert await other.delete("dead", "me")
    await one.close()
    await other.close()


async def test_what_has_ended_leaves_nothing_behind(server: RedisServer, redis: Redis) -> None:
    clock = Clock()
    store = RedisStore(server.url, clock=clock)
    await store.start()
    for n in range(150):
        await store.put(entry(f"resp_{n}", given=[f"in_{n}"], log=b"log", log_until=START + 10, owner=f"o:{n % 3}"))
    await store.delete("resp_0", "o:0")
    clock.now = START + 3600
    await store._sweep()
    sums = await redis.hgetall("{penstock}:responses:sums")
    assert (sums[b"entries"], sums[b"bytes"], sums[b"number"]) == (b"0", b"0", b"150")
    assert sorted(await redis.keys("*")) == sorted([b"{penstock}:responses:sums", store._holder_key.encode()])
    await store.close()


async def test_a_server_that_is_away_is_unavailable_and_comes_back(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = RedisStore(server.url, timeout_s=0.5)
    await store.start()
    server.pause()
    with pytest.raises(StoreUnavailable, match="the response store in Redis"):
        await store.get("resp_1", "me")
    server.resume()
    assert await until_answered(store) is None
    server.kill()
    for _ in range(3):
        with pytest.raises(StoreUnavailable) as found:
            await store.put(entry("resp_1", expires_at=START * 2))
        assert found.value.told
    server.start()
    await until_answered(store)
    lines = [record.getMessage() for record in caplog.records if record.name == "penstock"]
    assert [line.endswith("answers again") for line in lines] == [False, True] * 2, "one line for each change"
    patient = RedisStore(server.url, timeout_s=20.0)
    await patient.start()
    await patient.put(entry("resp_1", expires_at=START * 2))
    assert await until_answered(store) == entry("resp_1", expires_at=START * 2)
    await patient.close()
    await store.close()
    with pytest.raises(StoreFailed, match="closed"):
        await store.get("resp_1", "me")


async def test_a_server_that_was_restarted_costs_no_response(server: RedisServer) -> None:
    store = RedisStore(server.url, timeout_s=20.0)
    await store.start()
    await asyncio.gather(*(store.get("resp_1", "me") for _ in range(8)))  # which leave as many connections
    server.kill()
    server.start()
    made = [entry(f"resp_{n}", expires_at=START * 2) for n in range(8)]
    await asyncio.gather(*map(store.put, made))
    assert await asyncio.gather(*(store.get(one.id, "me") for one in made)) == made
    await store.close()


async def test_a_server_without_memory_still_hears_who_lives(server: RedisServer, redis: Redis) -> None:
    store = RedisStore(server.url, timeout_s=20.0)
    await store.start()
    await redis.config_set("maxmemory", 1)
    with pytest.raises(StoreFailed, match="OOM"):
        await store.put(entry("resp_1", expires_at=START * 2))
    await redis.expire(store._holder_key, 5)
    await store._live()
    assert await redis.ttl(store._holder_key) > 5
    await store.close()


async def test_it_does_not_start_without_a_server() -> None:
    with pytest.raises(StoreFailed, match=r"stores\.responses\.url: Redis URL must specify"):
        await RedisStore("http://127.0.0.1").start()
    with pytest.raises(StoreUnavailable):
        await RedisStore("redis://127.0.0.1:1", timeout_s=5.0).start()
