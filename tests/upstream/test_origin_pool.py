"""Slots, the line before them, and connections that wait for work; all without a socket."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from proxy.errors import UpstreamCut, UpstreamError, UpstreamUnreachable
from proxy.upstream.origin_pool import OriginPool, PoolLimits


class FakeConnection:
    """A connection as far as the pool knows one."""

    def __init__(self, pool: OriginPool[FakeConnection]) -> None:
        self.closed = False
        self.idle_since = 0.0
        self.idle_limit: float | None = None
        self.error: UpstreamError | None = None
        self._pool = pool

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            self._pool.lost(self)

    def fail(self, error: UpstreamError) -> None:
        self.error = error
        self.abort()


Pool = OriginPool[FakeConnection]


def _pool(max_connections: int | None = 2, max_idle: int = 10, max_idle_s: float = 30.0) -> Pool:
    limits = PoolLimits(max_connections=max_connections, max_idle=max_idle, max_idle_s=max_idle_s)
    return OriginPool(asyncio.get_running_loop(), limits, "a:1")


async def _take(pool: Pool, *, fresh: bool = False) -> FakeConnection:
    connection = await pool.acquire(5, fresh=fresh)
    if connection is None:
        connection = FakeConnection(pool)
        pool.adopt(connection)
    return connection


async def _in_line(pool: Pool, number: int, tasks: list[asyncio.Task[FakeConnection]], *, fresh: bool = False) -> None:
    for _ in range(number):
        tasks.append(asyncio.create_task(_take(pool, fresh=fresh)))
        await asyncio.sleep(0)


@pytest.fixture
async def tasks() -> AsyncIterator[list[asyncio.Task[FakeConnection]]]:
    tasks: list[asyncio.Task[FakeConnection]] = []
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _counts(pool: Pool) -> tuple[int, int, int]:
    return pool.open, pool.idle, pool.waiting


async def test_the_latest_used_connection_comes_back_first() -> None:
    pool = _pool()
    one, two = await _take(pool), await _take(pool)
    assert _counts(pool) == (2, 0, 0)
    pool.give_back(one)
    pool.give_back(two)
    assert _counts(pool) == (2, 2, 0)
    assert await _take(pool) is two
    assert await _take(pool) is one


async def test_the_line_is_served_in_order(tasks: list[asyncio.Task[FakeConnection]]) -> None:
    pool = _pool(1)
    held = await _take(pool)
    await _in_line(pool, 3, tasks)
    assert _counts(pool) == (1, 0, 3)
    for task in tasks:
        pool.give_back(held)
        assert await task is held
    assert _counts(pool) == (1, 0, 0)


async def test_a_lost_connection_makes_room(tasks: list[asyncio.Task[FakeConnection]]) -> None:
    pool = _pool(1)
    held = await _take(pool)
    await _in_line(pool, 2, tasks)
    held.abort()
    next_one = await tasks[0]
    assert next_one is not held
    assert _counts(pool) == (1, 0, 1)
    pool.give_back(next_one)
    assert await tasks[1] is next_one


async def test_a_slot_given_back_without_a_connection_makes_room(tasks: list[asyncio.Task[FakeConnection]]) -> None:
    pool = _pool(1)
    assert await pool.acquire(5) is None
    await _in_line(pool, 1, tasks)
    pool.free()
    await tasks[0]
    assert _counts(pool) == (1, 0, 0)


async def test_waiting_has_a_limit() -> None:
    pool = _pool(1)
    held = await _take(pool)
    with pytest.raises(TimeoutError):
        await pool.acquire(0.02)
    assert not pool._line
    assert _counts(pool) == (1, 0, 0)
    pool.give_back(held)
    assert _counts(pool) == (1, 1, 0)


@pytest.mark.parametrize("granted", ["connection", "slot", "nothing"])
async def test_who_leaves_the_line_loses_and_leaks_nothing(
    tasks: list[asyncio.Task[FakeConnection]], granted: str
) -> None:
    pool = _pool(1)
    held = await _take(pool)
    await _in_line(pool, 2, tasks)
    if granted == "connection":
        pool.give_back(held)
    elif granted == "slot":
        held.abort()
    tasks[0].cancel()  # in the same turn in which it was served
    if granted == "nothing":
        await asyncio.sleep(0)
        assert pool.waiting == 1
        pool.give_back(held)
    got = await tasks[1]
    assert (got is held) is (granted != "slot")
    assert _counts(pool) == (1, 0, 0)


async def test_a_connection_that_dies_on_its_way_to_the_one_in_line(tasks: list[asyncio.Task[FakeConnection]]) -> None:
    pool = _pool(1)
    held = await _take(pool)
    await _in_line(pool, 1, tasks)
    pool.give_back(held)
    held.abort()
    assert await tasks[0] is not held
    assert _counts(pool) == (1, 0, 0)


async def test_who_was_given_a_dead_connection_keeps_the_head_of_the_line(
    tasks: list[asyncio.Task[FakeConnection]],
) -> None:
    pool = _pool(2)
    one, two = await _take(pool), await _take(pool)
    await _in_line(pool, 3, tasks)
    pool.give_back(one)  # to the first in line,
    one.abort()  # but it dies, and its slot goes to the second
    await tasks[1]
    two.abort()
    await tasks[0]
    assert not tasks[2].done()


async def test_a_fresh_one_is_asked_for() -> None:
    pool = _pool(2)
    one, two = await _take(pool), await _take(pool)
    pool.give_back(one)
    pool.give_back(two)
    assert await pool.acquire(5, fresh=True) is None
    assert one.closed  # the one idle for longest made room
    assert not two.closed
    assert _counts(pool) == (2, 1, 0)


async def test_a_fresh_one_goes_to_the_head_of_the_line(tasks: list[asyncio.Task[FakeConnection]]) -> None:
    pool = _pool(1)
    held = await _take(pool)
    await _in_line(pool, 2, tasks)
    await _in_line(pool, 1, tasks, fresh=True)
    held.abort()
    await tasks[2]
    assert not tasks[0].done()


async def test_a_fresh_one_in_line_is_given_no_used_connection(tasks: list[asyncio.Task[FakeConnection]]) -> None:
    pool = _pool(1)
    held = await _take(pool)
    await _in_line(pool, 1, tasks, fresh=True)
    pool.give_back(held)
    assert await tasks[0] is not held
    assert held.closed
    assert _counts(pool) == (1, 0, 0)


async def test_idle_connections_have_an_age() -> None:
    pool = _pool(3, max_idle_s=0.05)
    held = [await _take(pool) for _ in range(3)]
    for connection in held:
        pool.give_back(connection)
    assert _counts(pool) == (3, 3, 0)
    await asyncio.sleep(0.07)
    assert _counts(pool) == (0, 0, 0)
    assert all(connection.closed for connection in held)


async def test_an_aged_connection_is_not_handed_out_before_the_timer_gets_to_it() -> None:
    pool = _pool()
    one = await _take(pool)
    pool.give_back(one)
    one.idle_since -= 30.0
    assert await _take(pool) is not one
    assert one.closed
    assert _counts(pool) == (1, 0, 0)


async def test_the_upstream_may_say_a_shorter_age() -> None:
    pool = _pool(3)
    long, short, none = await _take(pool), await _take(pool), await _take(pool)
    short.idle_limit = 0.05
    none.idle_limit = 0.0
    for connection in (long, short, none):
        pool.give_back(connection)
    assert none.closed
    await asyncio.sleep(0.07)
    assert short.closed
    assert not long.closed
    pool.close()


async def test_no_more_idle_connections_than_wanted() -> None:
    pool = _pool(5, max_idle=2)
    held = [await _take(pool) for _ in range(5)]
    for connection in held:
        pool.give_back(connection)
    assert _counts(pool) == (2, 2, 0)
    pool.close()


async def test_an_idle_connection_that_is_lost_is_not_handed_out() -> None:
    pool = _pool(2)
    one = await _take(pool)
    pool.give_back(one)
    one.abort()
    assert _counts(pool) == (0, 0, 0)
    assert await _take(pool) is not one


async def test_a_connection_lost_before_it_was_adopted_keeps_no_slot() -> None:
    pool = _pool(1)
    assert await pool.acquire(5) is None
    connection = FakeConnection(pool)
    connection.abort()
    pool.adopt(connection)
    assert _counts(pool) == (0, 0, 0)


async def test_closing_ends_all(tasks: list[asyncio.Task[FakeConnection]]) -> None:
    pool = _pool(2)
    idle, used = await _take(pool), await _take(pool)
    await _in_line(pool, 1, tasks)
    pool.give_back(idle)
    assert await tasks.pop() is idle
    await _in_line(pool, 1, tasks)
    pool.close()
    assert isinstance(used.error, UpstreamCut)
    with pytest.raises(UpstreamUnreachable, match="a:1 is not in use any more"):
        await tasks[0]
    with pytest.raises(UpstreamUnreachable):
        await pool.acquire(5)
    assert _counts(pool) == (0, 0, 0)


async def test_without_a_limit_nobody_waits() -> None:
    pool = _pool(None)
    for _ in range(2000):
        await _take(pool)
    assert _counts(pool) == (2000, 0, 0)
    pool.close()


@pytest.mark.parametrize("seed", range(5))
async def test_a_thousand_of_everything_leaves_nothing_behind(seed: int) -> None:
    rng = random.Random(seed)
    pool = _pool(4, max_idle=2)
    most = 0

    async def one() -> None:
        nonlocal most
        connection = await _take(pool, fresh=rng.random() < 0.1)
        most = max(most, pool.open)
        try:
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
        finally:
            if rng.random() < 0.3:
                connection.abort()
            elif not connection.closed:
                pool.give_back(connection)

    work = [asyncio.create_task(one()) for _ in range(1000)]
    while not all(task.done() for task in work):
        await asyncio.sleep(0)
        rng.choice(work).cancel()
    await asyncio.gather(*work, return_exceptions=True)
    assert most == 4
    assert pool.waiting == 0
    assert pool.open == pool.idle <= 2
    pool.close()
    assert _counts(pool) == (0, 0, 0)


async def test_only_what_is_idle_can_be_taken_at_once() -> None:
    pool = _pool()
    assert pool.take_idle() is None
    connection = await _take(pool)
    assert pool.take_idle() is None
    pool.give_back(connection)
    assert pool.take_idle() is connection
    assert _counts(pool) == (1, 0, 0)
    pool.give_back(connection)
    pool.close()
    assert pool.take_idle() is None
